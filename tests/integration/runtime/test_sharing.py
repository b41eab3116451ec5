"""One consumer and one decode for all that reads with a group: rules 8 and 12, and fan-out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.codecs.codec import Codec, Decoded
from sabot.codecs.json import JsonCodec
from sabot.errors import ConfigurationError
from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.worker import Worker
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted, quick

pytestmark = pytest.mark.slow


class CountingCodec(JsonCodec):
    """JSON, with a count of the records that were decoded by any codec of this class."""

    decoded = 0

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        CountingCodec.decoded += len(values)
        return super().decode(values)

    def reads_as(self, other: Codec) -> bool:
        return False


def numbers(kafka: Kafka, topic: str) -> list[int]:
    return sorted(row["n"] for row in kafka.values(topic))


def test_a_fan_out_has_one_consumer_one_decode_and_one_run_of_what_it_shares(
    kafka: Kafka,
) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"))
    sinks = [kafka.create_topic(kafka.unique("out")) for _ in range(3)]
    kafka.produce(source, [{"n": n} for n in range(500)])
    CountingCodec.decoded = 0
    shared: list[int] = []

    def count(batch: pa.RecordBatch) -> pa.RecordBatch:
        shared.append(batch.num_rows)
        return batch

    def define(app: App) -> None:
        rows = app.stream(source, codec_type=CountingCodec(), **FAST)
        prefix = rows.map(count)
        rows.to_kafka(app.broker, sinks[0])
        prefix.filter(lambda b: b["n"] >= 100).to_kafka(app.broker, sinks[1])
        prefix.filter(lambda b: b["n"] < 100).to_kafka(app.broker, sinks[2])

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(1000)
        kafka.await_group(group)
        (member,) = kafka.group_members(group)
        assert member.client_id == f"sabot-{group}"
        assert len(member.assignment.topic_partitions) == 4
        assert worker.stop() == ExitCode.OK
    assert CountingCodec.decoded == 500
    assert sum(shared) == 500
    assert numbers(kafka, sinks[0]) == list(range(500))
    assert numbers(kafka, sinks[1]) == list(range(100, 500))
    assert numbers(kafka, sinks[2]) == list(range(100))


def test_streams_of_one_group_share_a_consumer_and_each_gets_its_whole_topic(
    kafka: Kafka,
) -> None:
    group = kafka.unique("g")
    first, second = (kafka.create_topic(kafka.unique(name)) for name in ("a", "b"))
    sinks = [kafka.create_topic(kafka.unique("out")) for _ in range(3)]
    kafka.produce(first, [{"n": n} for n in range(400)])
    kafka.produce(second, [{"n": n} for n in range(1000, 1300)])
    with collecting():
        # As three files would, that know nothing of each other.
        outputs = [
            Stream.from_kafka(kafka.bootstrap, topic, group, **FAST).to_kafka(kafka.bootstrap, sink)
            for topic, sink in zip((first, second, first), sinks, strict=True)
        ]
    worker = Worker([each.output for each in outputs], name=group, settings=quick())
    with RunningWorker(worker) as running:
        running.await_sent(1100)
        kafka.await_group(group)
        (member,) = kafka.group_members(group)
        assert len(member.assignment.topic_partitions) == 8
        assert running.stop() == ExitCode.OK
    assert numbers(kafka, sinks[0]) == list(range(400))
    assert numbers(kafka, sinks[1]) == list(range(1000, 1300))
    assert numbers(kafka, sinks[2]) == list(range(400))
    assert sum(kafka.committed(group, first).values()) == 400
    assert sum(kafka.committed(group, second).values()) == 300


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"enable_auto_commit": False}, "enable_auto_commit"),
        ({"auto_offset_reset": "earliest"}, "auto_offset_reset"),
        ({"session_timeout_ms": 20_000}, "session.timeout.ms"),
    ],
)
def test_streams_of_one_group_that_want_different_consumers_are_refused(
    options: dict[str, Any], named: str
) -> None:
    with collecting():
        app = App("one", "localhost:9092")
        app.stream("orders").for_each(print)
        app.stream("orders", **options).for_each(print)
        with pytest.raises(ConfigurationError, match=named):
            app.worker()


@pytest.mark.parametrize(
    "error",
    [RuntimeError("the model is not loaded"), ConnectionRefusedError("the service is down")],
    ids=["every row fails", "the world fails"],
)
def test_a_branch_that_falls_over_does_not_make_another_write_twice(
    kafka: Kafka, error: Exception
) -> None:
    group = kafka.unique("g")
    # One partition: all rows are fetched at once, and every batch is a full one.
    source = kafka.create_topic(kafka.unique("in"), 1)
    steady, shaky = (kafka.create_topic(kafka.unique(name), 1) for name in ("a", "b"))
    kafka.produce(source, [{"n": n} for n in range(300)])
    calls: list[int] = []

    def fall(batch: pa.RecordBatch) -> pa.RecordBatch:
        calls.append(batch.num_rows)
        if batch.num_rows < 10 or calls.count(10) < 3:
            raise error
        return batch

    def define(app: App) -> None:
        rows = app.stream(source, **FAST, batch_size=10)
        rows.to_kafka(app.broker, steady)
        rows.map(fall).to_kafka(app.broker, shaky)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(600)
        assert worker.pipeline().restarts >= 1
        assert worker.pipeline().skipped == 0
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, steady) == list(range(300))
    assert numbers(kafka, shaky) == list(range(300))


def test_after_a_branch_ended_the_worker_others_go_on_where_they_were(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    steady, broken = (kafka.create_topic(kafka.unique(name), 1) for name in ("a", "b"))
    kafka.produce(source, [{"n": n} for n in range(100)])
    wrong = True

    def slip(batch: pa.RecordBatch) -> Any:
        return 17 if wrong else batch

    def define(app: App) -> None:
        rows = app.stream(source, **FAST)
        rows.to_kafka(app.broker, steady)
        rows.map(slip, name="slip").to_kafka(app.broker, broken)

    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == ExitCode.FAILED
        assert "slip" in str(worker.failure)
    noted = json.loads(kafka.committed_metadata(group, source)[0])
    assert noted["ahead"] == {f"to_kafka:{steady}": 100}
    wrong = False
    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 100})
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, steady) == list(range(100))
    assert numbers(kafka, broken) == list(range(100))


def test_groups_of_one_worker_do_not_hold_each_other_up(kafka: Kafka) -> None:
    groups = [kafka.unique("g") for _ in range(2)]
    source = kafka.create_topic(kafka.unique("in"), 1)
    sinks = [kafka.create_topic(kafka.unique("out"), 1) for _ in range(2)]
    kafka.produce(source, [{"n": n} for n in range(50)])

    def down(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise ConnectionRefusedError("the service is down")

    def define(app: App) -> None:
        app.stream(source, group_id=groups[0], **FAST).map(down).to_kafka(app.broker, sinks[0])
        app.stream(source, group_id=groups[1], **FAST).to_kafka(app.broker, sinks[1])

    settings = quick(drain_timeout_seconds=0.5)
    with hosted(define, kafka=kafka, group=groups[0], settings=settings) as worker:
        until(lambda: kafka.committed(groups[1], source) == {0: 50}, what="the other's commit")
        assert worker.stop() == ExitCode.DRAIN
    assert kafka.committed(groups[0], source).get(0, 0) == 0
    assert numbers(kafka, sinks[1]) == list(range(50))
