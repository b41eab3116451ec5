"""Each compression of the guide: the broker takes it, and other clients read it."""

from __future__ import annotations

import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

VALUES = [b'{"text":"%s"}' % (b"again and " * 40) for _ in range(500)]


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_written_arrives_whatever_the_compression(kafka: Kafka, compression: str) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, VALUES)

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink, compression_type=compression)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: len(VALUES)})
        assert worker.stop() == ExitCode.OK
    assert [message.value() for message in kafka.read_all(sink)] == VALUES
