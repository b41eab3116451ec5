"""Workers that come and go under load: rule 11, on a real broker."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa
import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted, quick

pytestmark = pytest.mark.slow

RECORDS = 20_000
PARTITIONS = 6


@contextmanager
def load(kafka: Kafka, topic: str) -> Iterator[threading.Event]:
    """Produce all records in small portions; the event is set once the last is there."""
    done = threading.Event()
    gone = threading.Event()
    portion = 500

    def feed() -> None:
        for first in range(0, RECORDS, portion):
            if gone.is_set():
                return
            kafka.produce(topic, [{"n": n} for n in range(first, first + portion)])
            gone.wait(0.15)
        done.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield done
    finally:
        gone.set()
        feeder.join()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("protocol", ["cooperative-sticky", "range"])
def test_workers_that_join_and_leave_lose_nothing_and_repeat_nothing(
    kafka: Kafka, protocol: str
) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), PARTITIONS)
    sinks = [kafka.create_topic(kafka.unique("out"), 2) for _ in range(2)]

    def define(app: App) -> None:
        rows = app.stream(source, **FAST, batch_size=50, partition_assignment_strategy=protocol)
        rows.to_kafka(app.broker, sinks[0])
        rows.map(worked).to_kafka(app.broker, sinks[1])

    joins = 0
    with ExitStack() as stack:
        stays = stack.enter_context(hosted(define, kafka=kafka, group=group))
        done = stack.enter_context(load(kafka, source))
        stays.await_sent(200)
        for _ in range(3):
            with hosted(define, kafka=kafka, group=group) as guest:
                kafka.await_group(group, members=2)
                guest.await_sent(300)
                joins += not done.is_set()
                assert guest.stop() == ExitCode.OK
            kafka.await_group(group, members=1)
        assert joins == 3, "the load ended before the guests had come and gone"
        assert done.wait(60)
        until(
            lambda: sum(kafka.committed(group, source).values()) == RECORDS,
            what="all records committed",
            every=0.1,
        )
        assert stays.stop() == ExitCode.OK
    for sink in sinks:
        seen = Counter(row["n"] for row in kafka.values(sink))
        assert len(seen) == RECORDS, f"{RECORDS - len(seen)} lost"
        assert seen.total() == RECORDS, f"{seen.total() - RECORDS} twice"


@pytest.mark.timeout(180)
def test_under_the_brokers_own_protocol_joins_and_leaves_are_as_quiet(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source, sink = (kafka.create_topic(kafka.unique(name), 4) for name in ("in", "out"))
    # Members hear of each other by heartbeats five seconds apart, unless the cluster says
    # otherwise: so records come once the partitions have moved, not by the clock.
    options = {**FAST, "group_protocol": "consumer"}

    def define(app: App) -> None:
        app.stream(source, **options).to_kafka(app.broker, sink)

    def portion(number: int) -> None:
        for partition in range(4):
            rows = [{"n": 1000 * number + 100 * partition + n} for n in range(100)]
            kafka.produce(source, rows, partition=partition)

    def all_committed(portions: int) -> None:
        wanted = dict.fromkeys(range(4), 100 * portions)
        until(lambda: kafka.committed(group, source) == wanted, what=f"{wanted} committed")

    settings = quick(stuck_seconds=10)
    with hosted(define, kafka=kafka, group=group, settings=settings) as stays:
        for turn in range(3):
            with hosted(define, kafka=kafka, group=group, settings=settings) as guest:
                guest.await_assigned(2)
                portion(2 * turn)
                all_committed(2 * turn + 1)
                assert guest.stop() == ExitCode.OK
            portion(2 * turn + 1)
            all_committed(2 * turn + 2)
        assert stays.statistics.stuck == 0
        assert stays.stop() == ExitCode.OK
    seen = Counter(row["n"] for row in kafka.values(sink))
    assert len(seen) == 2400, f"{2400 - len(seen)} lost"
    assert seen.total() == 2400, f"{seen.total() - 2400} twice"


def worked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Take a while, so that batches wait and one is in hand when partitions go."""
    threading.Event().wait(0.008)
    return batch


def test_what_waits_of_a_partition_that_goes_is_left_to_its_next_owner(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 2)
    sink = kafka.create_topic(kafka.unique("out"), 2)
    for partition in (0, 1):
        rows = [{"n": 100 * partition + n} for n in range(100)]
        kafka.produce(source, rows, partition=partition)

    def slow(app: App) -> None:
        # Three seconds of work, all of it in the mailbox from the start.
        app.stream(source, **FAST, batch_size=10).map(laborious).to_kafka(app.broker, sink)

    def plain(app: App) -> None:
        app.stream(source, **FAST, batch_size=10).map(lambda b: b).to_kafka(app.broker, sink)

    with hosted(slow, kafka=kafka, group=group) as first:
        first.await_sent(10)
        with hosted(plain, kafka=kafka, group=group) as second:
            second.await_sent(1)
            until(lambda: sum(kafka.committed(group, source).values()) == 200, what="all committed")
            done = first.sent, second.sent
            assert second.stop() == ExitCode.OK
        assert first.stop() == ExitCode.OK
    assert all(done), "the partition did not change hands in the middle"
    assert sorted(row["n"] for row in kafka.values(sink)) == list(range(200))


def laborious(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Take so long that a rebalance comes while a batch is in hand."""
    threading.Event().wait(0.15)
    return batch


def test_a_partition_that_comes_back_is_read_on_from_its_commit(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 2)
    sink = kafka.create_topic(kafka.unique("out"), 2)

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink)

    def both(first: int) -> None:
        for partition in (0, 1):
            rows = [{"n": 2 * n + partition} for n in range(first, first + 10)]
            kafka.produce(source, rows, partition=partition)

    def committed(each: int) -> None:
        until(
            lambda: kafka.committed(group, source) == {0: each, 1: each}, what=f"{each} committed"
        )

    with hosted(define, kafka=kafka, group=group):
        both(0)
        committed(10)
        with RunningWorker(hosted(define, kafka=kafka, group=group).worker):
            kafka.await_group(group, members=2)
            both(10)
            committed(20)
        kafka.await_group(group, members=1)
        both(20)
        committed(30)
    assert sorted(row["n"] for row in kafka.values(sink)) == list(range(60))
