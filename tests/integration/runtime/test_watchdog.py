"""Partitions that stand still, steps that hang, brokers that are gone: rows 12, 13 and 15."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from sabot.app.app import App
from sabot.errors import BrokerGoneError, ProcessingTimeoutError, StuckPartitionError
from sabot.kafka.reader import KafkaReader
from sabot.runtime.exit_codes import ExitCode
from scripts.kafka import Broker
from tests.broker import Kafka
from tests.conftest import own_broker_process
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted, quick

pytestmark = pytest.mark.slow


@pytest.fixture
def broker() -> Iterator[tuple[Broker, Kafka]]:
    """A broker of the test's own, that it may freeze."""
    with own_broker_process() as found:
        yield found


def reader_of(worker: RunningWorker) -> KafkaReader:
    (domain,) = worker.worker._domains.values()
    assert domain._reader is not None
    return domain._reader


def leak_a_pause(reader: KafkaReader, topic: str, *partitions: int, for_good: bool = False) -> None:
    """Pause partitions in the client, on the reader's own thread, and tell nobody."""
    serve = reader._seeks.serve
    done = threading.Event()

    def pause(client: Any, positions: Any, paused: Any) -> None:
        client.pause([TopicPartition(topic, number) for number in partitions])
        done.set()
        if not for_good:
            reader._seeks.serve = serve  # type: ignore[method-assign]

    reader._seeks.serve = pause  # type: ignore[method-assign]
    assert done.wait(10)


def test_a_pause_that_nobody_remembers_is_found_and_undone(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    source, sink = (kafka.create_topic(kafka.unique(name), 2) for name in ("in", "out"))
    group = kafka.unique("g")
    kafka.produce(source, [{"n": 0}], partition=0)

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink)

    settings = quick(stuck_seconds=1.5)
    with hosted(define, kafka=kafka, group=group, settings=settings) as worker:
        worker.await_sent(1)
        until(lambda: worker.worker.readiness().ok, what="readiness")
        leak_a_pause(reader_of(worker), source, 0)
        # The other partition goes on meanwhile, as it does in life.
        kafka.produce(source, [{"n": 1}], partition=0)
        kafka.produce(source, [{"n": 2}], partition=1)
        worker.await_sent(2)
        assert worker.statistics.stuck == 0
        worker.await_sent(3)
        assert worker.statistics.stuck == 1
        until(lambda: worker.worker.readiness().ok, what="readiness")
        assert worker.stop() == ExitCode.OK
    assert sorted(row["n"] for row in kafka.values(sink)) == [0, 1, 2]
    (record,) = [r for r in caplog.records if "stands still" in r.getMessage()]
    assert (record.partition, record.position, record.end) == (f"{source}[0]", 1, 2)  # type: ignore[attr-defined]


def test_each_of_several_partitions_that_stand_still_is_moved_on(kafka: Kafka) -> None:
    source, sink = (kafka.create_topic(kafka.unique(name), 6) for name in ("in", "out"))
    group = kafka.unique("g")
    frozen = (1, 3, 5)
    for partition in range(6):
        kafka.produce(source, [{"n": partition}], partition=partition)

    settings = quick(stuck_seconds=1.5)
    with hosted(copying(source, sink), kafka=kafka, group=group, settings=settings) as worker:
        worker.await_sent(6)
        for turn in (1, 2):
            leak_a_pause(reader_of(worker), source, *frozen)
            for partition in range(6):
                kafka.produce(source, [{"n": 6 * turn + partition}], partition=partition)
            worker.await_committed(kafka, group, source, dict.fromkeys(range(6), turn + 1))
            assert worker.statistics.stuck == turn * len(frozen)
        until(lambda: worker.worker.readiness().ok, what="readiness")
        assert worker.stop() == ExitCode.OK
    assert sorted(row["n"] for row in kafka.values(sink)) == list(range(18))


def test_where_reading_anew_does_not_help_the_worker_ends_with_the_cause(kafka: Kafka) -> None:
    source, sink = (kafka.create_topic(kafka.unique(name), 1) for name in ("in", "out"))
    kafka.produce(source, [{"n": 0}])

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink)

    settings = quick(stuck_seconds=1.5)
    with hosted(define, kafka=kafka, group=kafka.unique("g"), settings=settings) as worker:
        worker.await_sent(1)
        leak_a_pause(reader_of(worker), source, 0, for_good=True)
        kafka.produce(source, [{"n": 1}])
        reason = f"{worker.worker.name}: {source}[0] stands still"
        until(lambda: reason in worker.worker.readiness().reasons, what="the partition's name")
        assert worker.ends() == ExitCode.BROKER
    assert isinstance(worker.failure, StuckPartitionError)
    assert f"{source}[0] stands at offset 1 of 2" in str(worker.failure)


def test_a_partition_that_waits_for_a_slow_step_is_not_stuck(kafka: Kafka) -> None:
    source, sink = (kafka.create_topic(kafka.unique(name), 1) for name in ("in", "out"))
    kafka.produce(source, [{"n": n} for n in range(4000)])
    go_on = threading.Event()

    def define(app: App) -> None:
        def waits(batch: Any) -> Any:
            go_on.wait(60)
            return batch

        app.stream(source, **FAST, batch_size=100).map(waits).to_kafka(app.broker, sink)

    settings = quick(stuck_seconds=0.6, slow_seconds=0.6)
    with hosted(define, kafka=kafka, group=kafka.unique("g"), settings=settings) as worker:
        until(lambda: worker.statistics.pipelines, what="a pipeline")
        slow = f"{worker.pipeline().name} does not get on"
        until(lambda: slow in str(worker.worker.readiness().reasons), what="the step's name")
        go_on.set()
        worker.await_sent(4000)
        until(lambda: worker.worker.readiness().ok, what="readiness")
        assert worker.statistics.stuck == 0
        assert worker.stop() == ExitCode.OK


def test_a_handler_that_awaits_for_ever_is_named_and_ends_the_worker_only_if_told_so(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    source = kafka.create_topic(kafka.unique("in"), 1)
    group = kafka.unique("g")
    kafka.produce(source, [{"n": n} for n in range(5)])

    def define(app: App) -> None:
        @app.agent(source, name="sleeper", **FAST)
        async def sleeper(events: Any) -> None:
            async for event in events:
                if event["n"] == 3:
                    await asyncio.Event().wait()

    settings = quick(slow_seconds=0.6, processing_timeout_seconds=4, drain_timeout_seconds=0.5)
    with pytest.warns(DeprecationWarning, match="sleeper"):
        worker = hosted(define, kafka=kafka, group=group, settings=settings)
    with worker:
        assert worker.ends() == ExitCode.FAILED
    assert isinstance(worker.failure, ProcessingTimeoutError)
    named = [r for r in caplog.records if "same work in hand" in r.getMessage()]
    assert len(named) > 1
    assert {(r.step, r.where) for r in named} == {("agent:sleeper", f"{source}[0]@3")}  # type: ignore[attr-defined]
    # What was finished is committed, and what hangs is not.
    assert kafka.committed(group, source) == {0: 3}


@pytest.mark.skipif(sys.platform == "win32", reason="nothing there freezes a process")
def test_a_frozen_broker_shows_and_passes(broker: tuple[Broker, Kafka]) -> None:
    process, kafka = broker
    source, sink = (kafka.create_topic(kafka.unique(name), 2) for name in ("in", "out"))
    kafka.produce(source, [{"n": n} for n in range(10)])

    with hosted(copying(source, sink), kafka=kafka, group=kafka.unique("g")) as worker:
        worker.await_sent(10)
        until(lambda: worker.worker.readiness().ok, what="readiness")
        os.kill(process.pid, signal.SIGSTOP)
        try:
            # With the settings everybody has: this is what is promised.
            until(
                lambda: "broker has not answered" in str(worker.worker.readiness().reasons),
                what="a lost broker",
                timeout=15,
            )
            assert worker.worker.health().ok
        finally:
            os.kill(process.pid, signal.SIGCONT)
        kafka.produce(source, [{"n": n} for n in range(10, 20)])
        until(lambda: worker.worker.readiness().ok, what="readiness", timeout=30)
        until(lambda: len(kafka.values(sink)) >= 20, what="all records")
        assert worker.stop() == ExitCode.OK
    assert {row["n"] for row in kafka.values(sink)} == set(range(20))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing there freezes a process")
@pytest.mark.parametrize("signal_name", ["SIGSTOP", "SIGKILL"])
def test_a_broker_that_stays_away_ends_the_worker_after_the_configured_time(
    broker: tuple[Broker, Kafka], signal_name: str
) -> None:
    process, kafka = broker
    source, sink = (kafka.create_topic(kafka.unique(name), 2) for name in ("in", "out"))
    kafka.produce(source, [{"n": n} for n in range(10)])
    group = kafka.unique("g")
    settings = quick(broker_timeout_seconds=3, drain_timeout_seconds=1)
    worker = hosted(copying(source, sink), kafka=kafka, group=group, settings=settings)
    with worker:
        worker.await_sent(10)
        # A checkpoint under way would wait for its delivery reports beyond the worker's end.
        until(lambda: sum(kafka.committed(group, source).values()) == 10, what="all committed")
        os.kill(process.pid, getattr(signal, signal_name))
        try:
            code = worker.ends(60)
        finally:
            os.kill(process.pid, signal.SIGCONT)
    assert code == ExitCode.BROKER
    assert isinstance(worker.failure, BrokerGoneError), repr(worker.failure)
    assert "broker_timeout_seconds" in str(worker.failure)


@pytest.mark.parametrize("protocol", ["range", "cooperative-sticky", "consumer"])
def test_workers_without_a_partition_are_ready_and_say_nothing(
    kafka: Kafka, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, sink = (kafka.create_topic(kafka.unique(name), 1) for name in ("in", "out"))
    group = kafka.unique("g")
    options: dict[str, Any] = {**FAST, "partition_assignment_strategy": protocol}
    if protocol == "consumer":
        options = {"auto_offset_reset": "earliest", "group_protocol": "consumer"}

    def define(app: App) -> None:
        app.stream(source, **options).to_kafka(app.broker, sink)

    settings = quick(stuck_seconds=0.6, broker_timeout_seconds=3)
    with (
        hosted(define, kafka=kafka, group=group, settings=settings) as one,
        hosted(define, kafka=kafka, group=group, settings=settings) as two,
    ):
        kafka.await_group(group, members=2)
        until(lambda: one.worker.readiness().ok, what="the first to be ready")
        until(lambda: two.worker.readiness().ok, what="the second to be ready")
        looks = [Looks(worker) for worker in (one, two)]
        for look in looks:
            look.await_some(5)
        assert one.worker.readiness().ok
        assert two.worker.readiness().ok
        assert [two.stop(), one.stop()] == [ExitCode.OK, ExitCode.OK]
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == []


class Looks:
    """Counts how often a worker's watchdog looks."""

    def __init__(self, worker: RunningWorker) -> None:
        (dog,) = worker.worker._watchdogs.values()
        self._count = 0
        judge = dog.judge

        def counted(*arguments: Any, **named: Any) -> Any:
            self._count += 1
            return judge(*arguments, **named)

        dog.judge = counted  # type: ignore[method-assign]

    def await_some(self, count: int) -> None:
        until(lambda: self._count >= count, what=f"{count} looks")


def copying(source: str, sink: str) -> Callable[[App], None]:
    """Return what copies one topic into another."""

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink)

    return define


def test_a_handler_that_blocks_the_event_loop_costs_no_partition(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    source = kafka.create_topic(kafka.unique("in"), 1)
    group = kafka.unique("g")
    kafka.produce(source, [{"n": n} for n in range(5)])
    blocked = threading.Event()

    def define(app: App) -> None:
        @app.agent(source, name="sleeper", **FAST)
        async def sleeper(events: Any) -> None:
            async for event in events:
                if event["n"] == 2:
                    # Longer than the session: a consumer on this loop would be out.
                    blocked.wait(FAST["session_timeout_ms"] / 1000 + 3)

    with pytest.warns(DeprecationWarning, match="sleeper"):
        worker = hosted(define, kafka=kafka, group=group, settings=quick(slow_seconds=1))
    with worker:
        worker.await_committed(kafka, group, source, {0: 5})
        assert worker.stop() == ExitCode.OK
    said = [r.getMessage() for r in caplog.records]
    assert "step has had the same work in hand for long" in said
    assert "partitions lost" not in said
