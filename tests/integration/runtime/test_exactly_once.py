"""Outputs, offsets and dead letters in one transaction, on a real broker."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Message

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.worker import Worker
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted, quick

EXACT: dict[str, Any] = {**FAST, "processing_guarantee": "exactly_once"}
COMMITTED = "read_committed"


def numbers(messages: Iterable[Message]) -> Counter[int]:
    return Counter(json.loads(message.value())["n"] for message in messages)


def once(count: int) -> Counter[int]:
    return Counter(range(count))


def in_log(kafka: Kafka, topic: str) -> int:
    """Return how many offsets are used, transaction markers and aborted records included."""
    return sum(kafka.end_offsets(topic).values())


def test_outputs_and_offsets_are_committed_together(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 2)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(100)])

    def define(app: App) -> None:
        app.stream(source, **EXACT).filter(lambda b: b["n"] >= 0).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as run:
        until(lambda: sum(kafka.committed(group, source).values()) == 100, what="the commit")
        assert run.stop() == ExitCode.OK
    assert numbers(kafka.read_all(sink)) == once(100)
    # The markers of transactions take an offset each.
    assert in_log(kafka, sink) > 100


def test_what_is_not_committed_is_not_written(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(10)])

    def define(app: App) -> None:
        slow = {**EXACT, "auto_commit_interval_ms": 600_000}
        app.stream(source, **slow).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as run:
        run.await_sent(10)
        assert in_log(kafka, sink) == 0
        assert run.stop() == ExitCode.OK
    assert numbers(kafka.read_all(sink)) == once(10)


def test_every_branch_of_a_fan_out_is_part_of_the_transaction(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 4)
    sinks = [kafka.create_topic(kafka.unique("out"), 2) for _ in range(3)]
    kafka.produce(source, [{"n": n} for n in range(5000)])

    def define(app: App) -> None:
        rows = app.stream(source, **EXACT, batch_size=100)
        rows.to_kafka(app.broker, sinks[0])
        rows.map(lambda b: b.append_column("m", b["n"] * 2)).to_kafka(app.broker, sinks[1])
        # A pipeline of its own on the same group.
        app.stream(source, **EXACT, batch_size=100).to_kafka(app.broker, sinks[2])

    with hosted(define, kafka=kafka, group=group) as run:
        until(lambda: sum(kafka.committed(group, source).values()) == 5000, what="the commit")
        assert run.stop() == ExitCode.OK
    for sink in sinks:
        assert numbers(kafka.read_all(sink)) == once(5000)


def test_records_a_broker_refuses_meet_the_policy_and_the_others_are_written_once(
    kafka: Kafka,
) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1, message_timestamp_after_max_ms=str(10**12))
    kafka_default = kafka.create_topic(kafka.unique("out"), 1)
    letters = kafka.create_topic(kafka.unique("letters"), 1)
    now = int(time.time() * 1000)
    far = now + 5 * 3600 * 1000
    stamps = [far if n in (7, 31) else now for n in range(50)]
    kafka.produce(source, [{"n": n} for n in range(50)], timestamps=stamps)

    def define(app: App) -> None:
        app.stream(
            source, **EXACT, error_handling_policy="dead_letter", dead_letter_topic=letters
        ).to_kafka(app.broker, kafka_default)

    with hosted(define, kafka=kafka, group=group) as run:
        until(lambda: sum(kafka.committed(group, source).values()) == 50, what="the commit")
        assert run.stop() == ExitCode.OK
    assert numbers(kafka.read_all(kafka_default)) == once(50) - Counter({7: 1, 31: 1})
    assert numbers(kafka.read_all(letters)) == Counter({7: 1, 31: 1})


def test_a_refused_record_ends_the_worker_where_the_policy_says_so(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1, max_message_bytes="1000")
    kafka.produce(source, [{"n": 1}, {"n": 2, "text": os.urandom(4000).hex()}])

    def define(app: App) -> None:
        app.stream(source, **EXACT, error_handling_policy="fail").to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as run:
        assert run.ends() == ExitCode.FAILED
        assert "@1" in str(run.failure)
    assert kafka.read_all(sink) == []
    assert sum(kafka.committed(group, source).values()) == 0


def test_an_agents_dead_letters_are_written_once(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    letters = kafka.create_topic(kafka.unique("letters"), 1)
    kafka.produce(source, [b'{"n": 1}', b"not json", b'{"n": 2}', b'{"n": 3}'])
    handled: list[int] = []

    def define(app: App) -> None:
        @app.agent(source, **EXACT, error_handling_policy="dead_letter", dead_letter_topic=letters)
        async def handle(stream: Any) -> None:
            async for event in stream:
                handled.append(event["n"])
                if event["n"] == 2:
                    raise ValueError(event)

    with pytest.warns(DeprecationWarning, match="one event at a time"):
        hosting = hosted(define, kafka=kafka, group=group)
    with hosting as run:
        until(lambda: sum(kafka.committed(group, source).values()) == 4, what="the commit")
        assert run.stop() == ExitCode.OK
    assert handled == [1, 2, 3]
    assert [m.value() for m in kafka.read_all(letters)] == [b"not json", b'{"n": 2}']


def test_two_addresses_of_one_cluster_are_one_cluster(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(10)])

    def define(app: App) -> None:
        app.stream(source, **EXACT).to_kafka(f"{app.broker},localhost:1", sink)

    with hosted(define, kafka=kafka, group=group) as run:
        run.await_committed(kafka, group, source, {0: 10})
        assert run.stop() == ExitCode.OK
    assert numbers(kafka.read_all(sink)) == once(10)


def test_rows_from_memory_are_written_in_transactions_too(kafka: Kafka) -> None:
    sink = kafka.create_topic(kafka.unique("out"), 1)

    def define(app: App) -> None:
        rows = Stream.from_pylist([{"n": n} for n in range(100)])
        app.add(rows.to_kafka(app.broker, sink))

    with collecting():
        app = App(
            kafka.unique("g"),
            kafka.bootstrap,
            processing_guarantee="exactly_once",
            settings=quick(),
        )
        define(app)
        run = RunningWorker(app.worker())
    with run:
        assert run.ends() == ExitCode.OK
    assert numbers(kafka.read_all(sink)) == once(100)
    assert in_log(kafka, sink) > 100


def test_two_apps_do_not_fence_each_other(kafka: Kafka) -> None:
    source = kafka.create_topic(kafka.unique("in"), 1)
    sinks = [kafka.create_topic(kafka.unique("out"), 1) for _ in range(2)]
    kafka.produce(source, [{"n": n} for n in range(20)])
    groups = [kafka.unique("g") for _ in sinks]

    def copy(sink: str) -> Any:
        return lambda app: app.stream(source, **EXACT).to_kafka(app.broker, sink)

    same = quick(slot="1")
    first = hosted(copy(sinks[0]), kafka=kafka, group=groups[0], settings=same)
    second = hosted(copy(sinks[1]), kafka=kafka, group=groups[1], settings=same)
    with first, second:
        for part in (1, 2):
            for group in groups:
                until(
                    lambda g=group, n=20 * part: sum(kafka.committed(g, source).values()) == n,
                    what="the commit",
                )
            kafka.produce(source, [{"n": n} for n in range(20, 40)])
        assert (first.stop(), second.stop()) == (ExitCode.OK, ExitCode.OK)
    assert numbers(kafka.read_all(sinks[0])) & once(40) == once(40)


def test_a_worker_that_is_fenced_begins_again_and_repeats_nothing(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(10)])

    def define(app: App) -> None:
        app.stream(source, **EXACT).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group, settings=quick(slot="1")) as run:
        until(lambda: sum(kafka.committed(group, source).values()) == 10, what="the commit")
        from confluent_kafka import Producer

        thief = Producer(
            {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{group}/{group}/1"}
        )
        thief.init_transactions(20)
        kafka.produce(source, [{"n": n} for n in range(10, 20)])
        run.await_committed(kafka, group, source, {0: 20})
        assert run.stop() == ExitCode.OK
    assert numbers(kafka.read_all(sink)) == once(20)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "options",
    [
        {"partition_assignment_strategy": "cooperative-sticky"},
        {"partition_assignment_strategy": "range"},
        {"partition_assignment_strategy": "roundrobin"},
        {"group_protocol": "consumer"},
    ],
    ids=["cooperative-sticky", "range", "roundrobin", "consumer"],
)
def test_members_that_join_and_leave_repeat_nothing(kafka: Kafka, options: dict[str, Any]) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 6)
    sink = kafka.create_topic(kafka.unique("out"), 2)
    records = 9000

    def define(app: App) -> None:
        app.stream(source, **EXACT, batch_size=50, **options).to_kafka(app.broker, sink)

    gone = threading.Event()

    def feed() -> None:
        for first in range(0, records, 100):
            kafka.produce(source, [{"n": n} for n in range(first, first + 100)])
            gone.wait(0.1)

    feeder = threading.Thread(target=feed)
    with hosted(define, kafka=kafka, group=group) as stays:
        feeder.start()
        stays.await_sent(100)
        for _ in range(2):
            with hosted(define, kafka=kafka, group=group) as guest:
                guest.await_sent(50)
                assert guest.stop() == ExitCode.OK
        feeder.join()
        until(
            lambda: sum(kafka.committed(group, source).values()) == records,
            what="all records committed",
            timeout=60,
        )
        assert stays.stop() == ExitCode.OK
    assert numbers(kafka.read_all(sink)) == once(records)
    assert worker_restarts(stays) == 0


def worker_restarts(run: RunningWorker) -> int:
    worker: Worker = run.worker
    return sum(attempt + 1 for attempt in worker._restarts._attempts.values())
