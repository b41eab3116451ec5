"""The guide's protobuf and JSON Schema blocks as written there, on a real broker and registry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode
from scripts.registry import Registry
from tests.broker import Kafka
from tests.docs.running import clean
from tests.docs.running import running as worker_running
from tests.docs.test_guide_blocks import GUIDE
from tests.integration.registry.confluent import Confluent
from tests.integration.registry.test_guide_avro import broker, execute, registry
from tests.unit.codecs.protobuf.messages import message
from tests.until import until
from tests.workers import FAST, hosted

__all__ = ["broker", "registry"]  # fixtures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not beside this checkout"),
]

SCHEMA = json.dumps(
    {
        "title": "Row",
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer", "minimum": 1}, "text": {"type": "string"}},
    }
)


def written(theirs: Confluent, topic: str, heading: str) -> list[bytes]:
    context = SerializationContext(topic, MessageField.VALUE)
    if heading == "Protobuf":
        kind = message("Flat")
        write: Any = ProtobufSerializer(kind, theirs.client, {})
        return [write(kind(id=n, text="x", yes=True), context) for n in (1, 2)]
    write = JSONSerializer(SCHEMA, theirs.client)
    return [write({"id": n, "text": "x"}, context) for n in (1, 2)]


@pytest.mark.parametrize(("heading", "extra"), [("Protobuf", {"yes": True}), ("JSON Schema", {})])
def test_records_are_read_as_in_the_codec_block(
    broker: Kafka, registry: Registry, theirs: Confluent, heading: str, extra: dict[str, Any]
) -> None:
    with collecting() as collection:
        names = execute((heading, 1), broker, registry)
        names["stream"].to_kafka(broker.bootstrap, "seen")
    clean(broker, ["topic", "seen"], ["group"])
    with worker_running(broker, list(collection.outputs), "guide") as run:
        good = written(theirs, "topic", heading)
        broker.produce("topic", [good[0], b"broken", good[0][:5] + b"\xff", good[1]])
        until(lambda: len(broker.read_all("seen")) >= 2, what="seen")
        assert run.stop() == ExitCode.OK, run.worker.failure
    rows = sorted((json.loads(each.value()) for each in broker.read_all("seen")), key=str)
    assert rows == [{"id": n, "text": "x", **extra} for n in (1, 2)]


@pytest.mark.parametrize(
    ("codec_type", "schema"),
    [("protobuf", {"message_class": message("Flat")}), ("json_schema", {"schema": SCHEMA})],
)
def test_what_a_job_writes_their_own_deserializers_read(
    kafka: Kafka, registry: Registry, theirs: Confluent, codec_type: str, schema: dict[str, Any]
) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic)
    kafka.produce(source, [b'{"id":1,"text":"a"}', b'{"id":2,"text":"b"}'])
    options = {"schema_registry_url": registry.url, **schema}

    def define(app: Any) -> None:
        app.stream(source, **FAST).to_kafka(
            app.broker, sink, codec_type=codec_type, codec_options=options
        )

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(2)
        assert worker.stop() == ExitCode.OK
    context = SerializationContext(sink, MessageField.VALUE)
    values = [each.value() for each in kafka.read_all(sink)]
    if codec_type == "protobuf":
        kind = message("Flat")
        read: Any = ProtobufDeserializer(kind, {}, theirs.client)
        expected: list[Any] = [kind(id=1, text="a"), kind(id=2, text="b")]
    else:
        read = JSONDeserializer(SCHEMA, None, theirs.client)
        expected = [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
    found = [read(value, context) for value in values]
    assert sorted(found, key=str) == sorted(expected, key=str)
