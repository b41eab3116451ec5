"""Codecs on a real broker: by name and as objects, for values other clients wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgpack
import pytest

from sabot.app.app import App
from sabot.codecs import Decoded, JsonCodec, MsgpackCodec, StringCodec
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow


class CheckedCodec(JsonCodec):
    """JSON that keeps count, made by hand for one stream."""

    name = "checked"

    def __init__(self) -> None:
        super().__init__()
        self.decoded = 0

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        self.decoded += len(values)
        return super().decode(values)


def values(kafka: Kafka, topic: str) -> list[bytes | None]:
    return sorted((each.value() for each in kafka.read_all(topic)), key=repr)


def test_msgpack_of_another_client_arrives_as_columns_and_leaves_as_msgpack(kafka: Kafka) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic)
    good = [msgpack.packb({"n": n, "b": bytes([n])}) for n in range(50)]
    kafka.produce(source, [*good[:25], b"\x81", *good[25:]])

    def define(app: App) -> None:
        rows = app.stream(source, codec_type="msgpack", **FAST)
        rows.with_columns(double=lambda b: b["n"] * 2).to_kafka(
            app.broker, sink, codec_type="msgpack"
        )

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(50)
        assert worker.stop() == ExitCode.OK
    arrived = [msgpack.unpackb(each.value()) for each in kafka.read_all(sink)]
    wanted = [{"n": n, "b": bytes([n]), "double": 2 * n} for n in range(50)]
    assert sorted(arrived, key=lambda row: row["n"]) == wanted


def test_a_codec_object_is_used_for_a_source_and_for_a_sink(kafka: Kafka) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic)
    kafka.produce(source, [{"n": n} for n in range(20)])
    reader, writer = CheckedCodec(), MsgpackCodec()

    def define(app: App) -> None:
        app.stream(source, codec_type=reader, **FAST).to_kafka(app.broker, sink, writer)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(20)
        assert worker.stop() == ExitCode.OK
    assert reader.decoded == 20
    assert sorted(msgpack.unpackb(value or b"")["n"] for value in values(kafka, sink)) == list(
        range(20)
    )


@pytest.mark.parametrize("codec", ["string", "bytes"])
def test_values_and_tombstones_pass_a_single_column_as_they_came(kafka: Kafka, codec: str) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic)
    given: list[bytes | None] = [b"one", b"", None, "\N{EURO SIGN}".encode()]
    kafka.produce(source, given, keys=[b"k"] * 4)

    def define(app: App) -> None:
        # A new column of the same values, so that every row is written anew.
        rows = app.stream(source, codec_type=codec, **FAST)
        rows.rename({"value": "line"}).to_kafka(app.broker, sink, codec_type=codec)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(4)
        assert worker.stop() == ExitCode.OK
    assert [each.value() for each in kafka.read_all(sink)] == given


def test_a_kafka_source_takes_a_codec_object(kafka: Kafka) -> None:
    source = kafka.create_topic(kafka.unique("in"))
    kafka.produce(source, ["caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1")])
    config = KafkaSourceConfig(
        kafka.bootstrap,
        source,
        kafka.unique("g"),
        codec_type=StringCodec(encoding="latin-1"),
        auto_offset_reset="earliest",
    )

    async def first() -> str:
        async with KafkaSource(config).stream() as records:
            async for record in records:
                return str(record.value)
        raise AssertionError

    assert asyncio.run(first()) == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
