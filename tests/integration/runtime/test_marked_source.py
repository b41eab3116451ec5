"""A source that others write in transactions: its markers are passed like records."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from confluent_kafka import Producer

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted, quick

pytestmark = pytest.mark.slow


@pytest.fixture
def source(kafka: Kafka) -> str:
    return kafka.create_topic(kafka.unique("in"), 1)


@pytest.fixture
def writer(kafka: Kafka) -> Producer:
    made = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("writer")}
    )
    made.init_transactions(10)
    return made


def write(writer: Producer, topic: str, numbers: Iterable[int]) -> None:
    writer.begin_transaction()
    for number in numbers:
        writer.produce(topic, json.dumps({"n": number}).encode())
    writer.flush(10)


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("last", ["committed", "aborted"])
def test_a_log_that_ends_with_a_marker_is_committed_to_its_end(
    kafka: Kafka, source: str, writer: Producer, guarantee: str, last: str
) -> None:
    group, sink = kafka.unique("g"), kafka.create_topic(kafka.unique("out"), 1)

    def define(app: App) -> None:
        app.stream(source, **FAST, processing_guarantee=guarantee).to_kafka(app.broker, sink)

    settings = quick(stuck_seconds=1.5)
    with hosted(define, kafka=kafka, group=group, settings=settings) as worker:
        write(writer, source, range(5))
        writer.commit_transaction(10)
        write(writer, source, range(5, 10))
        writer.abort_transaction(10)
        if last == "committed":
            write(writer, source, range(10, 15))
            writer.commit_transaction(10)
        end = 18 if last == "committed" else 12  # each transaction has a marker
        until(lambda: kafka.end_offsets(source) == {0: end}, what="the last marker")
        worker.await_committed(kafka, group, source, {0: end})
        # With nothing but markers and what nobody may read behind it, too.
        write(writer, source, range(15, 20))
        writer.abort_transaction(10)
        worker.await_committed(kafka, group, source, {0: end + 6})
        assert worker.statistics.stuck == 0
        assert worker.stop() == ExitCode.OK
    expected = [*range(5), *(range(10, 15) if last == "committed" else ())]
    assert [row["n"] for row in kafka.values(sink)] == expected
