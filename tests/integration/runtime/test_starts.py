"""Where a worker begins to read: rule 15, on a real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewPartitions

from sabot.app.app import App
from sabot.errors import OffsetOutOfRangeError
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

LATEST = FAST | {"auto_offset_reset": "latest", "topic_metadata_refresh_interval_ms": 500}


def passing(source: str, sink: str, **options: object) -> Callable[[App], None]:
    def define(app: App) -> None:
        app.stream(source, **LATEST | options).to_kafka(app.broker, sink)

    return define


def numbers(kafka: Kafka, topic: str) -> list[int]:
    return sorted(row["n"] for row in kafka.values(topic))


def test_two_workers_on_an_empty_group_read_all_that_comes_and_nothing_before(
    kafka: Kafka,
) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 4)
    sink = kafka.create_topic(kafka.unique("out"), 4)
    for partition in range(4):
        kafka.produce(source, [{"n": -1}] * 25, partition=partition)
    define = passing(source, sink)
    with ExitStack() as stack:
        workers = [stack.enter_context(hosted(define, kafka=kafka, group=group)) for _ in range(2)]
        # One of them decides for all partitions, those of the other included.
        until(lambda: len(kafka.committed(group, source)) == 4, what="a baseline", every=0.01)
        for partition in range(4):
            rows = [{"n": 100 * partition + n} for n in range(100)]
            kafka.produce(source, rows, partition=partition)
        kafka.await_group(group, members=2)
        until(
            lambda: kafka.committed(group, source) == dict.fromkeys(range(4), 125),
            what="all committed",
        )
        for worker in workers:
            assert worker.stop() == ExitCode.OK
    assert numbers(kafka, sink) == list(range(400))


class Member(threading.Thread):
    """A member of the group that reads, and commits only what it is told to.

    All calls to its client are made by its own thread: the client lets a call from another
    one wait while it is polled.
    """

    def __init__(self, kafka: Kafka, group: str, topic: str, client: str) -> None:
        super().__init__()
        self.owned: list[int] = []
        self.baseline: list[TopicPartition] | None = None
        self._over = threading.Event()
        self._topic = topic
        self._settings = {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "client.id": client,
            "enable.auto.commit": False,
            "partition.assignment.strategy": "range",
            "heartbeat.interval.ms": 300,
            "session.timeout.ms": 6000,
        }

    def run(self) -> None:
        consumer = Consumer(self._settings)

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            self.owned = [each.partition for each in partitions]

        consumer.subscribe([self._topic], on_assign=assigned)
        while not self._over.is_set():
            consumer.poll(0.05)
            if self.baseline is not None:
                consumer.commit(offsets=self.baseline, asynchronous=False)
                self.baseline = None
        consumer.close()

    def __enter__(self) -> Self:
        self.start()
        until(lambda: self.owned, what="its first assignment")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def test_who_owns_the_lowest_partition_decides_for_all_and_others_wait(kafka: Kafka) -> None:
    source = kafka.create_topic(kafka.unique("in"), 4)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    for partition in range(4):
        kafka.produce(source, [{"n": -1}] * 25, partition=partition)
    define = passing(source, sink, partition_assignment_strategy="range")

    # Partitions go to members in the order of their names: the worker gets the first two.
    group = kafka.unique("g")
    with (
        Member(kafka, group, source, "zz"),
        hosted(define, kafka=kafka, group=group) as worker,
    ):
        worker.await_committed(kafka, group, source, dict.fromkeys(range(4), 25))
        assert len(kafka.group_members(group)) == 2
        assert worker.stop() == ExitCode.OK

    # Here it gets the last two, and reads none of them before the other has decided.
    group = kafka.unique("g")
    with (
        Member(kafka, group, source, "aa") as first,
        hosted(define, kafka=kafka, group=group) as worker,
    ):
        kafka.await_group(group, members=2)
        until(lambda: first.owned == [0, 1], what="the others with the worker")
        kafka.produce(source, [{"n": 3}], partition=3)
        assert kafka.committed(group, source) == {}
        first.baseline = [TopicPartition(source, number, 25) for number in range(4)]
        worker.await_committed(kafka, group, source, {0: 25, 1: 25, 2: 25, 3: 26})
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, sink) == [3]


def test_the_baseline_is_kept_by_whoever_comes_later(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 3)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": -1}] * 30, partition=0)
    with hosted(passing(source, sink), kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 30, 1: 0, 2: 0})
        assert worker.stop() == ExitCode.OK
    # What comes while nobody reads is read, not jumped over by another "latest".
    for partition in range(3):
        kafka.produce(source, [{"n": partition}], partition=partition)
    with hosted(passing(source, sink), kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 31, 1: 1, 2: 1})
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, sink) == [0, 1, 2]


def test_a_partition_that_is_added_is_read_from_its_beginning(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": -1}] * 5)
    with hosted(passing(source, sink), kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 5})
        grown = kafka.admin.create_partitions([NewPartitions(source, 2)])
        grown[source].result(30)
        until(lambda: kafka.partitions(source) == [0, 1], what="the new partition")
        # The shared producer may not know of the new partition yet; a fresh one asks.
        Kafka(kafka.bootstrap).produce(source, [{"n": n} for n in range(50)], partition=1)
        worker.await_committed(kafka, group, source, {0: 5, 1: 50})
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, sink) == list(range(50))


@pytest.mark.parametrize("reset", ["latest", "earliest"])
def test_a_commit_the_log_no_longer_holds_is_an_error_with_the_way_out(
    kafka: Kafka, reset: str
) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    define = passing(source, sink, auto_offset_reset=reset)
    with hosted(define, kafka=kafka, group=group) as worker:
        if reset == "latest":
            worker.await_committed(kafka, group, source, {0: 0})
        kafka.produce(source, [{"n": n} for n in range(10)])
        worker.await_committed(kafka, group, source, {0: 10})
        assert worker.stop() == ExitCode.OK
    kafka.produce(source, [{"n": n} for n in range(10, 40)])
    kafka.delete_records(source, {0: 25})
    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == ExitCode.BROKER
        failure = worker.failure
    assert isinstance(failure, OffsetOutOfRangeError)
    text = str(failure)
    assert f"{source}[0] is to be read from offset 10" in text
    assert "holds 25 to 40" in text
    assert f"sabot reset-offsets {group} {source} --partition 0 --to earliest" in text
    assert numbers(kafka, sink) == list(range(10))
    assert kafka.committed(group, source) == {0: 10}
