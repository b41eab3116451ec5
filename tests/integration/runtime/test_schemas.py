"""Which records are bad is decided once for a group, not by what arrives first."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgpack
import pytest

from sabot.app.app import App
from sabot.kafka.schema_topic import schema_topic_name
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted

pytestmark = pytest.mark.slow

Define = Callable[[App], None]


def copying(source: str, sink: str, codec: str = "json") -> Define:
    """Return an app that writes each row anew, so that its types show."""

    def define(app: App) -> None:
        rows = app.stream(source, codec_type=codec, **FAST)
        rows.with_columns(twice=lambda b: b["amount"] * 2).to_kafka(
            app.broker, sink, codec_type=codec
        )

    return define


def await_done(worker: RunningWorker, records: int) -> None:
    until(lambda: worker.statistics.pipelines, what="a pipeline")
    until(
        lambda: worker.sent + worker.pipeline().skipped == records,
        what=f"{records} records sent or skipped",
    )


@pytest.mark.parametrize(
    ("codec", "write", "read"),
    [
        ("json", lambda row: json.dumps(row).encode(), json.loads),
        ("msgpack", msgpack.packb, msgpack.unpackb),
    ],
)
def test_after_a_restart_the_record_with_the_other_type_is_still_the_bad_one(
    kafka: Kafka, codec: str, write: Callable[[object], bytes], read: Callable[[object], object]
) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic, partitions=1)
    kafka.produce(source, [write({"amount": 1})])
    with hosted(copying(source, sink, codec), kafka=kafka, group=group) as worker:
        worker.await_sent(1)
        assert worker.stop() == ExitCode.OK

    kafka.produce(source, [write({"amount": each}) for each in ("12", 2, 3)])
    with hosted(copying(source, sink, codec), kafka=kafka, group=group) as worker:
        await_done(worker, 3)
        assert (worker.sent, worker.pipeline().skipped) == (2, 1)
        assert worker.stop() == ExitCode.OK
    written = [read(each.value()) for each in kafka.read_all(sink)]
    assert written == [{"amount": each, "twice": 2 * each} for each in (1, 2, 3)]


def test_what_was_widened_stays_wide(kafka: Kafka) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic, partitions=1)
    kafka.produce(source, [{"amount": 1}, {"amount": 1.5, "note": "x"}])
    with hosted(copying(source, sink), kafka=kafka, group=group) as worker:
        worker.await_sent(2)
        assert worker.stop() == ExitCode.OK

    kafka.produce(source, [{"amount": 2, "note": 5}, {"amount": 2}])
    with hosted(copying(source, sink), kafka=kafka, group=group) as worker:
        await_done(worker, 2)
        assert worker.pipeline().skipped == 1
        assert worker.stop() == ExitCode.OK
    written = kafka.values(schema_topic_name(group))
    assert written[-1]["columns"] == {"amount": "double", "note": "string"}


def test_two_workers_with_opposite_first_records_agree(kafka: Kafka) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    kafka.create_topic(source, partitions=2)
    kafka.create_topic(sink, partitions=1)

    def define(app: App) -> None:
        app.stream(source, **FAST).select("amount").to_kafka(app.broker, sink)

    with (
        hosted(define, kafka=kafka, group=group) as one,
        hosted(define, kafka=kafka, group=group) as two,
    ):
        kafka.await_group(group, 2)
        kafka.produce(source, [{"amount": 1}, {"amount": "x"}] * 10, partition=0)
        kafka.produce(source, [{"amount": "x"}, {"amount": 1}] * 10, partition=1)

        def done() -> int:
            workers = [each for each in (one, two) if each.statistics.pipelines]
            return sum(each.sent + each.pipeline().skipped for each in workers)

        until(lambda: done() >= 40, what="40 records sent or skipped")
        assert one.stop() == two.stop() == ExitCode.OK
    amounts = [type(value["amount"]) for value in kafka.values(sink)]
    assert len(amounts) == 20
    assert len(set(amounts)) == 1


def test_pinned_sources_leave_no_topic(kafka: Kafka) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic, partitions=1)
    kafka.produce(source, [{"amount": 1}])
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}}

    def define(app: App) -> None:
        app.stream(source, codec_options={"schema": schema}, **FAST).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(1)
        assert worker.stop() == ExitCode.OK
    assert kafka.partitions(schema_topic_name(group)) == []
