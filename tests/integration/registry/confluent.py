"""Confluent's own Avro serializers, the independent witness of the wire format."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from scripts.registry import Registry

__all__ = ["Confluent", "confluent", "record", "unique"]


def unique(prefix: str) -> str:
    """Return a name nobody has used."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def record(*fields: tuple[Any, ...], name: str = "R") -> dict[str, Any]:
    """Return a record's schema of its fields: name, type and perhaps default."""
    keys = ("name", "type", "default")
    made = [dict(zip(keys, field, strict=False)) for field in fields]
    return {"type": "record", "name": name, "fields": made}


class Confluent:
    """Serializes and deserializes values of a topic as other clients do."""

    def __init__(self, client: SchemaRegistryClient) -> None:
        self.client = client

    def register(self, subject: str, schema: Any, *references: tuple[str, str, int]) -> int:
        given = [SchemaReference(*each) for each in references]
        return int(self.client.register_schema(subject, Schema(json.dumps(schema), "AVRO", given)))

    def write(self, topic: str, schema: Any, *rows: Any, **conf: Any) -> list[bytes]:
        serializer = AvroSerializer(self.client, json.dumps(schema), conf=conf)
        context = SerializationContext(topic, MessageField.VALUE)
        return [serializer(row, context) for row in rows]

    def read(self, topic: str, *values: bytes | None) -> list[Any]:
        deserializer = AvroDeserializer(self.client)
        context = SerializationContext(topic, MessageField.VALUE)
        return [deserializer(value, context) for value in values]


@contextmanager
def confluent(registry: Registry) -> Iterator[Confluent]:
    """Have them for the length of a block."""
    with SchemaRegistryClient({"url": registry.url}) as client:
        yield Confluent(client)
