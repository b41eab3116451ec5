"""What is committed, and when, on a real broker: rules 1, 2 and 14."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from sabot.api.stream import OutputStream
from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted, quick

pytestmark = pytest.mark.slow


def numbers(kafka: Kafka, topic: str) -> list[int]:
    return [row["n"] for row in kafka.values(topic)]


def ahead(kafka: Kafka, group: str, topic: str) -> dict[str, int]:
    noted: dict[str, int] = json.loads(kafka.committed_metadata(group, topic)[0])["ahead"]
    return noted


def test_an_offset_is_committed_only_when_what_was_made_of_it_has_arrived(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(2000)])

    def define(app: App) -> None:
        # The producer keeps what it is given for 1.5 s: fifteen cuts come and go.
        app.stream(source, **FAST).to_kafka(app.broker, sink, linger_ms=1500)

    waited = 0
    with hosted(define, kafka=kafka, group=group) as worker:
        committed = 0
        while committed < 2000:
            handed = worker.sent if worker.statistics.pipelines else 0
            committed = kafka.committed(group, source).get(0, 0)
            arrived = kafka.end_offsets(sink)[0]
            assert committed <= arrived, "committed, but not there"
            waited += handed == 2000 and arrived == 0
        assert worker.stop() == ExitCode.OK
    assert waited > 3, "nothing was seen on its way; the test shows nothing"
    assert numbers(kafka, sink) == list(range(2000))


def test_a_producer_with_a_tiny_queue_loses_nothing(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 2)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    for partition in (0, 1):
        rows = [{"n": 5000 * partition + n} for n in range(5000)]
        kafka.produce(source, rows, partition=partition)

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(
            app.broker, sink, queue_buffering_max_messages=100, linger_ms=1
        )

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 5000, 1: 5000})
        assert worker.stop() == ExitCode.OK
    arrived = numbers(kafka, sink)
    assert [n for n in arrived if n < 5000] == list(range(5000))
    assert [n for n in arrived if n >= 5000] == list(range(5000, 10_000))


def test_a_branch_that_was_ahead_at_the_stop_does_not_write_again(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    fast, slow = (kafka.create_topic(kafka.unique(name), 1) for name in ("fast", "slow"))
    kafka.produce(source, [{"n": n} for n in range(100)])
    broken = True

    def check(batch: pa.RecordBatch) -> pa.RecordBatch:
        if broken and 40 in batch.column("n").to_pylist():
            raise ValueError("not yet")
        return batch

    def define(app: App) -> None:
        rows = app.stream(
            source,
            **FAST,
            error_handling_policy="retry",
            max_retry_attempts=1000,
            retry_backoff_seconds=0.05,
        )
        rows.to_kafka(app.broker, fast)
        rows.map(check).to_kafka(app.broker, slow)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 40})
        until(lambda: len(numbers(kafka, fast)) == 100, what="the other branch at the end")
        worker.stop()
    assert kafka.committed(group, source) == {0: 40}
    assert ahead(kafka, group, source) == {f"to_kafka:{fast}": 100}
    assert numbers(kafka, slow) == list(range(40))

    broken = False
    kafka.produce(source, [{"n": 100}])
    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 101})
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, fast) == list(range(101))
    assert numbers(kafka, slow) == list(range(101))


@pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")
def test_an_agent_that_hangs_keeps_its_place_and_a_pipeline_its_own(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(100)])
    hangs = True
    handled: list[int] = []

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink)

        @app.agent(source, name="slow", **FAST)
        async def slow(stream: Any) -> None:
            async for event in stream:
                if hangs and event["n"] == 50:
                    await asyncio.Event().wait()
                handled.append(event["n"])

    impatient = quick(drain_timeout_seconds=1.0)
    with hosted(define, kafka=kafka, group=group, settings=impatient) as worker:
        worker.await_committed(kafka, group, source, {0: 50})
        until(lambda: len(numbers(kafka, sink)) == 100, what="the pipeline at the end")
        assert worker.stop() == ExitCode.DRAIN
    assert kafka.committed(group, source) == {0: 50}
    assert ahead(kafka, group, source) == {f"to_kafka:{sink}": 100}

    hangs = False
    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 100})
        assert worker.stop() == ExitCode.OK
    assert handled == list(range(100))
    assert numbers(kafka, sink) == list(range(100))


def test_what_was_finished_when_the_time_to_drain_ran_out_is_not_done_again(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    fast, slow = (kafka.create_topic(kafka.unique(name), 1) for name in ("fast", "slow"))
    kafka.produce(source, [{"n": n} for n in range(100)])
    down = True

    def call(batch: pa.RecordBatch) -> pa.RecordBatch:
        if down:
            raise ConnectionRefusedError("the service is down")
        return batch

    def define(app: App) -> None:
        # No cut by time: all that counts is the one at the end.
        rows = app.stream(source, **FAST | {"auto_commit_interval_ms": 60_000})
        rows.to_kafka(app.broker, fast)
        rows.map(call).to_kafka(app.broker, slow)

    impatient = quick(drain_timeout_seconds=1.0)
    with hosted(define, kafka=kafka, group=group, settings=impatient) as worker:
        worker.await_sent(100)
        assert worker.stop() == ExitCode.DRAIN
    assert ahead(kafka, group, source) == {f"to_kafka:{fast}": 100}

    down = False
    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(100)
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, fast) == list(range(100))
    assert numbers(kafka, slow) == list(range(100))


def test_cuts_end_while_records_keep_coming(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 2)
    sinks = [kafka.create_topic(kafka.unique("out"), 2) for _ in range(2)]
    total = 80_000
    kafka.produce(source, (b'{"n": %d}' % n for n in range(total)))

    def steady(batch: pa.RecordBatch) -> pa.RecordBatch:
        # Something is handed to the producers every 2 ms, less than they wait for company:
        # from the first row to the last they are never empty.
        threading.Event().wait(0.002)
        return batch

    def define(app: App) -> None:
        rows = app.stream(source, **FAST, batch_size=50).map(steady)
        for sink in sinks:
            rows.to_kafka(app.broker, sink, linger_ms=200)

    with hosted(define, kafka=kafka, group=group) as worker:
        last = 0
        for wanted in (2, 4, 6):
            until(lambda w=wanted: worker.statistics.checkpoints >= w, what=f"{wanted} cuts")
            committed = sum(worker.statistics.committed.values())
            assert last < committed < total
            last = committed
        assert worker.sent < 2 * total, "the load ended first; the test shows nothing"
        until(lambda: sum(kafka.committed(group, source).values()) == total, what="all committed")
        assert worker.stop() == ExitCode.OK
    for sink in sinks:
        assert sum(kafka.end_offsets(sink).values()) == total


def test_without_auto_commit_only_the_call_commits(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(10)])
    outputs: list[OutputStream] = []

    def define(app: App) -> None:
        rows = app.stream(source, **FAST, enable_auto_commit=False)
        outputs.append(rows.to_kafka(app.broker, sink))

    # Nothing is committed by time, nor at the stop; so the rows come again.
    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(10)
        assert worker.stop() == ExitCode.OK
    assert kafka.committed(group, source) == {}

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(10)
        kafka.await_group(group)
        assert kafka.committed(group, source) == {}
        outputs[-1].commit()
        assert kafka.committed(group, source) == {0: 10}
        kafka.produce(source, [{"n": 10}])
        worker.await_sent(11)
        assert worker.stop() == ExitCode.OK
    assert kafka.committed(group, source) == {0: 10}
    assert numbers(kafka, sink) == [*range(10), *range(11)]


def gate(opened: threading.Event) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    def wait(batch: pa.RecordBatch) -> pa.RecordBatch:
        assert opened.wait(60)
        return batch

    return wait


def test_a_commit_by_hand_covers_what_is_finished_and_no_more(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": n} for n in range(10)])
    opened = threading.Event()
    outputs: list[OutputStream] = []

    def define(app: App) -> None:
        rows = app.stream(source, **FAST, enable_auto_commit=False, batch_size=5)
        held = gate(opened)
        step = rows.map(lambda b: b if b["n"].to_pylist()[0] < 5 else held(b))
        outputs.append(step.to_kafka(app.broker, sink))

    with hosted(define, kafka=kafka, group=group) as worker:
        try:
            worker.await_sent(5)
            # The second batch is in hand; the commit waits for it, since only the
            # pipeline itself can say how far it is.
            committing = threading.Thread(target=outputs[0].commit)
            committing.start()
            assert kafka.committed(group, source) == {}
        finally:
            opened.set()
        committing.join(30)
        assert kafka.committed(group, source) == {0: 10}
        assert worker.stop() == ExitCode.OK
