"""Protobuf through a real registry, both ways with Confluent's own serializers."""

from __future__ import annotations

import uuid
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from sabot.codecs import ProtobufCodec
from sabot.codecs.protobuf.sources import class_of, file_of_text, message_named
from sabot.errors import (
    DecodeError,
    SchemaRegistryError,
    SchemaRegistryUnavailableError,
    UnknownSchemaError,
)
from scripts.registry import Registry
from tests.unit.codecs.protobuf.messages import full_message, message

NESTED = """
syntax = "proto3";
package nest;
message Outer { int32 a = 1; message Inner { string b = 1; message Core { int64 c = 1; } } }
message Second { message Within { string d = 1; } Within within = 1; }
"""


@pytest.fixture
def topic() -> str:
    return f"protobuf-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def client(registry: Registry) -> Any:
    with SchemaRegistryClient({"url": registry.url}) as made:
        yield made


def serialize(client: Any, topic: str, *messages: Any) -> list[bytes]:
    write = ProtobufSerializer(type(messages[0]), client, {})
    context = SerializationContext(topic, MessageField.VALUE)
    return [write(each, context) for each in messages]


def deserialize(client: Any, topic: str, kind: Any, values: Any) -> list[Any]:
    read = ProtobufDeserializer(kind, {}, client)
    context = SerializationContext(topic, MessageField.VALUE)
    return [read(value, context) for value in values]


def test_what_confluent_writes_is_read(registry: Registry, client: Any, topic: str) -> None:
    values = serialize(client, topic, full_message(), message("All")())
    codec = ProtobufCodec(schema_registry_url=registry.url, topic=topic)
    decoded = codec.decode([values[0], None, values[1]])
    assert not decoded.failures
    by_class = ProtobufCodec(message_class=message("All"))
    assert (
        decoded.columns == by_class.decode([full_message().SerializeToString(), None, b""]).columns
    )
    assert len(codec.decode_rows(values).rows) == 2


def test_what_is_written_confluent_reads(registry: Registry, client: Any, topic: str) -> None:
    codec = ProtobufCodec(
        schema_registry_url=registry.url, topic=topic, message_class=message("All")
    )
    columns = ProtobufCodec(message_class=message("All")).decode(
        [full_message().SerializeToString(), b""]
    )
    encoded = codec.encode(columns.columns)
    assert not encoded.failures
    found = deserialize(client, topic, message("All"), encoded.values)
    assert found == [full_message(), message("All")()]
    assert client.get_latest_version(f"{topic}-value").schema.schema_type == "PROTOBUF"
    # And by a codec that knows the registry alone.
    assert (
        ProtobufCodec(schema_registry_url=registry.url).decode(encoded.values).columns.num_rows == 2
    )


@pytest.mark.parametrize("name", ["Outer", "Inner", "Core", "Second", "Within"])
def test_message_indexes_lead_to_any_message(
    registry: Registry, client: Any, topic: str, name: str
) -> None:
    kind = message(name, NESTED)
    (value,) = serialize(client, topic, kind())
    codec = ProtobufCodec(schema_registry_url=registry.url, topic=topic)
    assert codec.decode([value]).columns.schema.names == [f.name for f in kind.DESCRIPTOR.fields]
    writer = ProtobufCodec(schema_registry_url=registry.url, topic=topic, message_class=kind)
    assert writer.encode_rows([{}]).values == [value]


def test_proto_text_is_registered_and_read(registry: Registry, client: Any, topic: str) -> None:
    text = 'syntax = "proto3"; message Row { int64 id = 1; string t = 2; }'
    codec = ProtobufCodec(schema_registry_url=registry.url, topic=topic, schema=text)
    encoded = codec.encode(pa.RecordBatch.from_pydict({"id": [1, 2], "t": ["a", None]}))
    reader = ProtobufCodec(schema_registry_url=registry.url)
    assert reader.decode(encoded.values).columns.to_pylist() == [
        {"id": 1, "t": "a"},
        {"id": 2, "t": ""},
    ]
    latest = ProtobufCodec(schema_registry_url=registry.url, topic=topic)
    assert latest.encode_rows([{"id": 1, "t": "a"}]).values == encoded.values[:1]


def test_imports_are_references(registry: Registry, client: Any, topic: str) -> None:
    part, whole = f"{topic}/part.proto", f"{topic}/whole.proto"
    texts = {
        part: 'syntax = "proto3"; package p; message Part { int32 n = 1; }',
    }
    own = f'syntax = "proto3"; package p; import "{part}"; message Whole {{ Part part = 1; }}'
    file = file_of_text(own, texts, whole)
    kind = class_of(message_named([file], file.pool, "Whole"))
    codec = ProtobufCodec(schema_registry_url=registry.url, topic=topic, message_class=kind)
    encoded = codec.encode_rows([{"part": {"n": 3}}])
    assert not encoded.failures
    assert serialize(client, topic, kind(part={"n": 3})) == encoded.values
    reader = ProtobufCodec(schema_registry_url=registry.url)
    assert reader.decode(encoded.values).columns.to_pylist() == [{"part": {"n": 3}}]


def test_texts_that_import_texts_are_compiled(registry: Registry, client: Any, topic: str) -> None:
    base = f"{topic}/base.proto"
    client.register_schema(
        base, Schema('syntax = "proto3"; package q; message Base { int32 n = 1; }', "PROTOBUF")
    )
    text = f'syntax = "proto3"; package q; import "{base}"; message Top {{ Base base = 1; }}'
    schema_id = client.register_schema(
        f"{topic}-value", Schema(text, "PROTOBUF", [SchemaReference(base, base, 1)])
    )
    value = b"\0" + schema_id.to_bytes(4, "big") + b"\0\x0a\x02\x08\x05"
    decoded = ProtobufCodec(schema_registry_url=registry.url).decode([value])
    assert decoded.columns.to_pylist() == [{"base": {"n": 5}}]


def test_versions_stand_side_by_side_in_one_batch(
    registry: Registry, client: Any, topic: str
) -> None:
    old = message("R", 'syntax = "proto3"; package v; message R { int32 a = 1; string b = 2; }')
    new = message(
        "R", 'syntax = "proto3"; package v; message R { int64 a = 1; repeated int32 c = 3; }'
    )
    (first,) = serialize(client, topic, old(a=1, b="x"))
    (second,) = serialize(client, topic, new(a=2, c=[3]))
    decoded = ProtobufCodec(schema_registry_url=registry.url).decode([second, None, first])
    assert not decoded.failures
    assert decoded.columns.to_pylist() == [
        {"a": 2, "c": [3], "b": None},
        {"a": None, "c": None, "b": None},
        {"a": 1, "c": None, "b": "x"},
    ]


def test_a_version_whose_types_do_not_go_together_fails_alone(
    registry: Registry, client: Any, topic: str
) -> None:
    old = message("S", 'syntax = "proto3"; package w; message S { int32 a = 1; }')
    new = message("S", 'syntax = "proto3"; package w; message S { string a = 2; }')
    (first,) = serialize(client, topic, old(a=1))
    (second,) = serialize(client, topic, new(a="x"))
    decoded = ProtobufCodec(schema_registry_url=registry.url).decode([first, second, first])
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.num_rows == 2


def test_bad_records_fail_alone(registry: Registry, client: Any, topic: str) -> None:
    good, other = (
        serialize(client, f"{topic}{number}", made)[0]
        for number, made in enumerate([message("Flat")(id=1), message("Part")(size=2)])
    )
    unknown = good[:1] + (2**31 - 1).to_bytes(4, "big") + good[5:]
    bad = [b"", b"\0\0", b"\1" + good[1:], unknown, good[:5] + b"\x63" * 9, other, good[:-1]]
    values = [value for each in bad for value in (good, each)]
    codec = ProtobufCodec(schema_registry_url=registry.url)
    decoded = codec.decode(values)
    assert [failure.index for failure in decoded.failures] == list(range(1, 14, 2))
    assert decoded.columns.num_rows == 7
    assert all(isinstance(failure.error, DecodeError) for failure in decoded.failures)
    assert isinstance(decoded.failures[3].error, UnknownSchemaError)
    assert "choose by 'message'" in str(decoded.failures[5].error)


def test_an_avro_schema_is_no_protobuf(registry: Registry, client: Any, topic: str) -> None:
    schema_id = client.register_schema(f"{topic}-value", Schema('"string"', "AVRO"))
    decoded = ProtobufCodec(schema_registry_url=registry.url).decode(
        [b"\0" + schema_id.to_bytes(4, "big") + b"\0x"]
    )
    assert "as AVRO" in str(decoded.failures[0].error)


def test_nothing_is_registered_when_that_is_not_wanted(
    registry: Registry, client: Any, topic: str
) -> None:
    options = {
        "schema_registry_url": registry.url,
        "topic": topic,
        "message_class": message("Flat"),
        "auto_register": False,
    }
    with pytest.raises(SchemaRegistryError):
        ProtobufCodec(**options).encode_rows([{"id": 1}])
    assert f"{topic}-value" not in client.get_subjects()
    (value,) = serialize(client, topic, message("Flat")(id=1))
    assert ProtobufCodec(**options).encode_rows([{"id": 1}]).values == [value]


def test_a_registry_that_is_down_is_no_bad_record() -> None:
    codec = ProtobufCodec(
        schema_registry_url="http://127.0.0.1:9", schema_registry_retries=0, topic="t"
    )
    with pytest.raises(SchemaRegistryUnavailableError):
        codec.decode([b"\0\0\0\0\1\0"])
    with pytest.raises(SchemaRegistryUnavailableError):
        codec.encode_rows([{}])
