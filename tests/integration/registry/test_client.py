"""The client beside a real registry."""

from __future__ import annotations

import uuid

import pytest

from sabot.codecs.schema_registry import SchemaRegistry
from sabot.errors import SchemaRegistryError, SchemaRegistryUnavailableError, UnknownSchemaError
from scripts.registry import Registry, running
from tests.conftest import own_registry

INT = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}'
TEXT = '{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}'


def subject() -> str:
    return f"subject-{uuid.uuid4().hex[:8]}"


def client(registry: Registry, **options: object) -> SchemaRegistry:
    return SchemaRegistry({"schema_registry_url": registry.url, **options})


def test_a_schema_is_registered_looked_up_and_read_by_its_id(registry: Registry) -> None:
    name, one, other = subject(), client(registry), client(registry)
    schema_id = one.register(name, "AVRO", INT)
    assert other.lookup(name, "AVRO", INT) == schema_id
    assert other.schema(schema_id) == other.latest(name)
    assert (other.schema(schema_id).kind, other.schema(schema_id).text) == ("AVRO", INT)


def test_a_newer_schema_is_the_latest_at_once(registry: Registry) -> None:
    name, one, other = subject(), client(registry), client(registry)
    one.register(name, "AVRO", INT)
    assert other.latest(name).text == INT
    one.register(name, "AVRO", TEXT)
    assert other.latest(name).text == TEXT


def test_what_the_registry_does_not_have_is_said(registry: Registry) -> None:
    name, found = subject(), client(registry)
    with pytest.raises(UnknownSchemaError, match="has no schema 2147483647"):
        found.schema(2**31 - 1)
    with pytest.raises(SchemaRegistryError, match="refuses looking up"):
        found.lookup(name, "AVRO", INT)
    with pytest.raises(SchemaRegistryError, match="refuses the latest schema"):
        found.latest(name)


def test_an_incompatible_schema_is_refused_with_the_registrys_words(registry: Registry) -> None:
    name, found = subject(), client(registry)
    found.register(name, "AVRO", INT)
    set_compatibility(registry, name, "BACKWARD")
    with pytest.raises(SchemaRegistryError, match="409") as caught:
        found.register(name, "AVRO", TEXT)
    assert not caught.value.retriable
    assert name in str(caught.value)


def test_references_are_resolved_in_the_order_they_are_needed(registry: Registry) -> None:
    found = client(registry)
    kind, item, order = subject(), subject(), subject()
    kind_text = '{"type":"enum","name":"shop.Kind","symbols":["A","B"]}'
    item_text = '{"type":"record","name":"shop.Item","fields":[{"name":"kind","type":"shop.Kind"}]}'
    order_text = (
        '{"type":"record","name":"shop.Order","fields":[{"name":"item","type":"shop.Item"}]}'
    )
    found.register(kind, "AVRO", kind_text)
    found.register(item, "AVRO", item_text, [("shop.Kind", kind, 1)])
    order_id = found.register(order, "AVRO", order_text, [("shop.Item", item, 1)])
    fresh = client(registry)
    resolved = fresh.resolve_references(fresh.schema(order_id))
    assert resolved == {"shop.Kind": kind_text, "shop.Item": item_text}
    assert list(resolved) == ["shop.Kind", "shop.Item"]


def test_a_registry_that_comes_back_is_used_again() -> None:
    with own_registry() as registry:
        name, found = subject(), client(registry, schema_registry_retries=0)
        found.register(name, "AVRO", INT)
        port = int(registry.url.split(":")[2].split("/")[0])
    with pytest.raises(SchemaRegistryUnavailableError):
        found.latest(name)
    with running(port=port):
        assert found.register(name, "AVRO", TEXT) > 0


def set_compatibility(registry: Registry, name: str, level: str) -> None:
    from confluent_kafka.schema_registry import SchemaRegistryClient

    with SchemaRegistryClient({"url": registry.url}) as theirs:
        theirs.set_compatibility(name, level)
