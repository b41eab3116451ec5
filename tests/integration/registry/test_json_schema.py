"""JSON Schema through a real registry, both ways with Confluent's own serializers."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from sabot.codecs import JsonSchemaCodec
from sabot.errors import (
    DecodeError,
    EncodeError,
    SchemaRegistryError,
    SchemaRegistryUnavailableError,
    UnknownSchemaError,
)
from scripts.registry import Registry

SCHEMA = json.dumps(
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Payment",
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "to": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/party"}]},
        },
        "definitions": {"party": {"type": "object", "properties": {"iban": {"type": "string"}}}},
    }
)
ROWS = [{"id": 1, "name": "ä", "tags": ["x"], "to": {"iban": "DE"}}, {"id": 2, "to": None}]


@pytest.fixture
def topic() -> str:
    return f"json-schema-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def client(registry: Registry) -> Any:
    with SchemaRegistryClient({"url": registry.url}) as made:
        yield made


def serialize(client: Any, topic: str, schema: str, *rows: Any) -> list[bytes]:
    write = JSONSerializer(schema, client)
    context = SerializationContext(topic, MessageField.VALUE)
    return [write(row, context) for row in rows]


def test_what_confluent_writes_is_read(registry: Registry, client: Any, topic: str) -> None:
    values = serialize(client, topic, SCHEMA, *ROWS)
    codec = JsonSchemaCodec(schema_registry_url=registry.url)
    decoded = codec.decode([values[0], None, values[1]])
    assert not decoded.failures
    assert decoded.columns.to_pylist() == [
        ROWS[0],
        {"id": None, "name": None, "tags": None, "to": None},
        {"id": 2, "name": None, "tags": None, "to": None},
    ]
    assert codec.decode_rows(values).rows == ROWS


def test_what_is_written_confluent_reads(registry: Registry, client: Any, topic: str) -> None:
    codec = JsonSchemaCodec(schema_registry_url=registry.url, topic=topic, schema=SCHEMA)
    plain = JsonSchemaCodec(schema=SCHEMA)
    columns = plain.decode([json.dumps(row).encode() for row in ROWS]).columns
    encoded = codec.encode(columns)
    assert not encoded.failures
    read = JSONDeserializer(SCHEMA, None, client)
    context = SerializationContext(topic, MessageField.VALUE)
    assert [read(value, context) for value in encoded.values] == ROWS
    assert JsonSchemaCodec(schema_registry_url=registry.url).decode(encoded.values).columns == (
        columns
    )
    latest = JsonSchemaCodec(schema_registry_url=registry.url, topic=topic)
    assert latest.encode(columns).values == encoded.values
    assert codec.extend(encoded.values, pa.RecordBatch.from_pydict({"n": [1, 2]})) is not None


def test_references_are_resolved(registry: Registry, client: Any, topic: str) -> None:
    name = f"{topic}.json"
    client.register_schema(
        name, Schema('{"type": "object", "properties": {"n": {"type": "integer"}}}', "JSON")
    )
    text = json.dumps({"type": "object", "properties": {"part": {"$ref": name}}})
    schema_id = client.register_schema(
        f"{topic}-value", Schema(text, "JSON", [SchemaReference(name, name, 1)])
    )
    head = b"\0" + schema_id.to_bytes(4, "big")
    codec = JsonSchemaCodec(schema_registry_url=registry.url)
    decoded = codec.decode([head + b'{"part": {"n": 1}}', head + b'{"part": {"n": "x"}}'])
    assert decoded.columns.to_pylist() == [{"part": {"n": 1}}]
    assert decoded.columns.schema.field("part").type == pa.struct([("n", pa.int64())])
    assert "'part.n'" in str(decoded.failures[0].error)


def test_versions_stand_side_by_side_in_one_batch(
    registry: Registry, client: Any, topic: str
) -> None:
    newer = json.loads(SCHEMA)
    newer["properties"]["amount"] = {"type": "number"}
    (first,) = serialize(client, topic, SCHEMA, {"id": 1})
    (second,) = serialize(client, topic, json.dumps(newer), {"id": 2, "amount": 1.5})
    columns = JsonSchemaCodec(schema_registry_url=registry.url).decode([second, first]).columns
    assert columns.column("id").to_pylist() == [2, 1]
    assert columns.column("amount").to_pylist() == [1.5, None]


def test_bad_records_fail_alone(registry: Registry, client: Any, topic: str) -> None:
    (good,) = serialize(client, topic, SCHEMA, {"id": 1})
    unknown = good[:1] + (2**31 - 1).to_bytes(4, "big") + good[5:]
    bad = [b"", b"\1" + good[1:], unknown, good[:5] + b'{"id": 0}', good[:-1]]
    decoded = JsonSchemaCodec(schema_registry_url=registry.url).decode(
        [value for each in bad for value in (good, each)]
    )
    assert [failure.index for failure in decoded.failures] == [1, 3, 5, 7, 9]
    assert decoded.columns.num_rows == 5
    assert all(isinstance(failure.error, DecodeError) for failure in decoded.failures)
    assert isinstance(decoded.failures[2].error, UnknownSchemaError)


def test_a_row_that_is_not_valid_is_not_written(
    registry: Registry, client: Any, topic: str
) -> None:
    codec = JsonSchemaCodec(schema_registry_url=registry.url, topic=topic, schema=SCHEMA)
    encoded = codec.encode(pa.RecordBatch.from_pydict({"id": [1, 0, 2]}))
    assert [failure.index for failure in encoded.failures] == [1]
    assert isinstance(encoded.failures[0].error, EncodeError)
    assert len(encoded.values) == 2


def test_nothing_is_registered_when_that_is_not_wanted(
    registry: Registry, client: Any, topic: str
) -> None:
    codec = JsonSchemaCodec(
        schema_registry_url=registry.url, topic=topic, schema=SCHEMA, auto_register=False
    )
    with pytest.raises(SchemaRegistryError):
        codec.encode_rows([{"id": 1}])
    assert f"{topic}-value" not in client.get_subjects()


def test_a_registry_that_is_down_is_no_bad_record() -> None:
    codec = JsonSchemaCodec(
        schema_registry_url="http://127.0.0.1:9", schema_registry_retries=0, topic="t"
    )
    with pytest.raises(SchemaRegistryUnavailableError):
        codec.decode([b"\0\0\0\0\1{}"])
