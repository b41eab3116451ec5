"""Avro by a real registry, cross-checked both ways with Confluent's own serializers."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import AvroCodec, create_codec
from sabot.errors import (
    ConfigurationError,
    SchemaRegistryError,
    SchemaRegistryUnavailableError,
    UnknownSchemaError,
)
from scripts.registry import Registry, running
from tests.conftest import own_registry
from tests.integration.registry.confluent import Confluent, confluent, record, unique
from tests.unit.codecs.avro.values import FIXED, RICH, expected
from tests.unit.codecs.avro.values import record as rich_record

OLD = record(("id", "int"), ("name", "string"))
NEW = record(("id", "long"), ("name", "string"), ("unit", "string", "EUR"))
NEWEST = record(("id", "long"), ("unit", "string", "EUR"), ("note", ["null", "string"], None))


def codec(registry: Registry, **options: Any) -> AvroCodec:
    made = create_codec("avro", {"schema_registry_url": registry.url, **options})
    assert isinstance(made, AvroCodec)
    return made


@pytest.mark.parametrize("schema", [RICH, FIXED], ids=["rich", "fixed"])
def test_what_confluents_serializer_wrote_becomes_columns(
    registry: Registry, theirs: Confluent, schema: dict[str, Any]
) -> None:
    topic, chance = unique("orders"), random.Random(1)
    rows = [rich_record(chance, schema) for _ in range(20)]
    decoded = codec(registry).decode(theirs.write(topic, schema, *rows))
    assert not decoded.failures
    assert decoded.columns.to_pylist() == list(map(expected, rows))


@pytest.mark.parametrize("schema", [RICH, FIXED], ids=["rich", "fixed"])
def test_confluents_deserializer_reads_what_was_written(
    registry: Registry, theirs: Confluent, schema: dict[str, Any]
) -> None:
    topic, chance = unique("orders"), random.Random(2)
    values = theirs.write(topic, schema, *[rich_record(chance, schema) for _ in range(20)])
    ours = codec(registry, subject=f"{unique('copy')}-value", schema=schema)
    encoded = ours.encode(ours.decode(values).columns)
    assert not encoded.failures
    assert theirs.read(topic, *encoded.values) == theirs.read(topic, *values)


def test_a_schema_derived_from_columns_is_registered_and_read_by_others(
    registry: Registry, theirs: Confluent
) -> None:
    topic = unique("derived")
    columns = pa.RecordBatch.from_pylist([{"id": 1, "tags": ["a"], "at": {"x": 1.5}}, {"id": 2}])
    encoded = codec(registry, subject=f"{topic}-value").encode(columns)
    assert theirs.read(topic, *encoded.values) == columns.to_pylist()
    latest = theirs.client.get_latest_version(f"{topic}-value")
    assert '"name": "derived_' in latest.schema.schema_str


def test_three_versions_in_one_batch_become_one_table(
    registry: Registry, theirs: Confluent
) -> None:
    topic = unique("evolving")
    # Of a name of their own, so that the registry has not numbered them for another test.
    named = {"name": topic.replace("-", "_")}
    old_schema, new_schema, newest_schema = OLD | named, NEW | named, NEWEST | named
    [old] = theirs.write(topic, old_schema, {"id": 1, "name": "a"})
    [new] = theirs.write(topic, new_schema, {"id": 2, "name": "b", "unit": "USD"})
    [newest] = theirs.write(topic, newest_schema, {"id": 3, "unit": "CHF", "note": "n"})
    assert len({value[:5] for value in (old, new, newest)}) == 3
    values = [old, newest, None, new, old, b"\x00\x00"]
    pinned = codec(registry, schema=NEW)
    decoded = pinned.decode([old, new, old])
    assert decoded.columns.to_pylist() == [
        {"id": 1, "name": "a", "unit": "EUR"},
        {"id": 2, "name": "b", "unit": "USD"},
        {"id": 1, "name": "a", "unit": "EUR"},
    ]
    for options in ({"subject": f"{topic}-value"}, {"topic": topic}, {}):
        decoded = codec(registry, **options).decode(values)
        assert [failure.index for failure in decoded.failures] == [5]
        assert decoded.columns.to_pylist() == [
            {"id": 1, "unit": "EUR", "note": None},
            {"id": 3, "unit": "CHF", "note": "n"},
            {"id": None, "unit": None, "note": None},
            {"id": 2, "unit": "USD", "note": None},
            {"id": 1, "unit": "EUR", "note": None},
        ]


def test_a_version_that_the_readers_schema_cannot_read_fails_alone(
    registry: Registry, theirs: Confluent
) -> None:
    topic = unique("unreadable")
    [old] = theirs.write(topic, OLD, {"id": 1, "name": "a"})
    [newest] = theirs.write(topic, NEWEST, {"id": 3, "unit": "CHF", "note": "n"})
    decoded = codec(registry, schema=OLD).decode([old, newest])
    assert decoded.columns.to_pylist() == [{"id": 1, "name": "a"}]
    assert [failure.index for failure in decoded.failures] == [1]
    assert "cannot be read as 'int'" in str(decoded.failures[0].error)
    rows = codec(registry).decode_rows([old, newest]).rows
    assert rows == [{"id": 1, "name": "a"}, {"id": 3, "unit": "CHF", "note": "n"}]


def test_a_newer_version_changes_the_columns_when_the_first_record_of_it_comes(
    registry: Registry, theirs: Confluent
) -> None:
    topic = unique("growing")
    [old] = theirs.write(topic, OLD, {"id": 1, "name": "a"})
    ours = codec(registry, topic=topic)
    assert ours.decode([old]).columns.schema.names == ["id", "name"]
    [new] = theirs.write(topic, NEW, {"id": 2, "name": "b", "unit": "USD"})
    assert ours.decode([old]).columns.schema.names == ["id", "name"]
    assert ours.decode([new, old]).columns["unit"].to_pylist() == ["USD", "EUR"]


def test_an_unknown_id_and_a_schema_of_another_language_fail_alone(
    registry: Registry, theirs: Confluent
) -> None:
    topic = unique("strange")
    [good] = theirs.write(topic, OLD, {"id": 1, "name": "a"})
    from confluent_kafka.schema_registry import Schema

    other = theirs.client.register_schema(
        unique("json"),
        Schema('{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}', "JSON"),
    )
    values = [
        good,
        b"\x00\x7f\xff\xff\xff" + good[5:],
        b"\x01" + good[1:],
        b"\x00" + other.to_bytes(4, "big") + b"{}",
        good[:5] + b"\xff\xff",
        good,
    ]
    for outcome in (codec(registry).decode(values), codec(registry).decode_rows(values)):
        assert [failure.index for failure in outcome.failures] == [1, 2, 3, 4]
        assert isinstance(outcome.failures[0].error, UnknownSchemaError)
        assert "zero and a schema id" in str(outcome.failures[1].error)
        assert "of kind JSON" in str(outcome.failures[2].error)
    assert codec(registry).decode(values).columns.num_rows == 2


def test_schemas_that_refer_to_others_are_read(registry: Registry, theirs: Confluent) -> None:
    kinds, topic = unique("kinds"), unique("orders")
    theirs.register(kinds, {"type": "enum", "name": "shop.Kind", "symbols": ["A", "B"]})
    schema = record(("kind", "shop.Kind"), ("n", "int"))
    schema_id = theirs.register(f"{topic}-value", schema, ("shop.Kind", kinds, 1))
    value = b"\x00" + schema_id.to_bytes(4, "big") + b"\x02\x0e"
    assert codec(registry).decode([value]).columns.to_pylist() == [{"kind": "B", "n": 7}]
    assert codec(registry).decode_rows([value]).rows == [{"kind": "B", "n": 7}]
    latest = codec(registry, topic=topic, use_latest_version=True)
    encoded = latest.encode(pa.RecordBatch.from_pydict({"kind": ["B"], "n": [7]}))
    assert encoded.values == [value]


def test_without_registering_an_absent_schema_is_an_error(
    registry: Registry, theirs: Confluent
) -> None:
    topic, columns = unique("fixed"), pa.RecordBatch.from_pydict({"id": [1], "name": ["a"]})
    ours = codec(registry, topic=topic, schema=OLD, auto_register=False)
    with pytest.raises(SchemaRegistryError, match="refuses looking up"):
        ours.encode(columns)
    theirs.register(f"{topic}-value", OLD)
    assert theirs.read(topic, *ours.encode(columns).values) == columns.to_pylist()


def test_an_incompatible_schema_is_an_error_of_the_whole(
    registry: Registry, theirs: Confluent
) -> None:
    topic = unique("strict")
    theirs.register(f"{topic}-value", OLD)
    theirs.client.set_compatibility(f"{topic}-value", "BACKWARD")
    ours = codec(registry, topic=topic, schema=record(("id", "string")))
    with pytest.raises(SchemaRegistryError, match="409") as caught:
        ours.encode(pa.RecordBatch.from_pydict({"id": ["x"]}))
    assert not caught.value.retriable


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [("topic", "{topic}-value"), ("record", "n.R{topic}"), ("topic_record", "{topic}-n.R{topic}")],
)
def test_subjects_are_named_as_confluent_names_them(
    registry: Registry, theirs: Confluent, strategy: str, subject: str
) -> None:
    topic = unique("named").replace("-", "_")
    schema = record(("id", "int"), name=f"n.R{topic}")
    ours = codec(registry, topic=topic, schema=schema, subject_name_strategy=strategy)
    assert not ours.encode(pa.RecordBatch.from_pydict({"id": [1]})).failures
    assert theirs.client.get_latest_version(subject.format(topic=topic)).version == 1


def test_rows_are_written_by_a_schema_only(registry: Registry, theirs: Confluent) -> None:
    topic = unique("rows")
    encoded = codec(registry, topic=topic, schema=OLD).encode_rows([{"id": 1, "name": "a"}, None])
    assert theirs.read(topic, encoded.values[0]) == [{"id": 1, "name": "a"}]
    assert encoded.values[1] is None


def test_a_registry_that_is_down_is_no_records_fault_and_not_asked_in_vain() -> None:
    gone = {"schema_registry_url": "http://127.0.0.1:1", "schema_registry_retries": 0}
    ours = create_codec("avro", gone | {"subject": "s", "schema": OLD})
    for call in (
        lambda: ours.decode([b"\x00\x00\x00\x00\x01\x02"]),
        lambda: ours.decode_rows([b"\x00\x00\x00\x00\x01\x02"]),
        lambda: ours.encode(pa.RecordBatch.from_pydict({"id": [1], "name": ["a"]})),
        lambda: ours.encode_rows([{"id": 1, "name": "a"}]),
    ):
        with pytest.raises(SchemaRegistryUnavailableError) as caught:
            call()
        assert caught.value.retriable
    assert ours.decode([None, b"bad"]).columns.to_pylist() == [{"id": None, "name": None}]


def test_what_is_known_is_decoded_while_the_registry_is_down() -> None:
    with own_registry() as registry, confluent(registry) as theirs:
        topic = unique("cached")
        [value] = theirs.write(topic, OLD, {"id": 1, "name": "a"})
        ours = codec(registry, topic=topic, schema_registry_retries=0)
        assert ours.decode([value]).columns.num_rows == 1
        port = int(registry.url.split(":")[2].split("/")[0])
    assert ours.decode([value]).columns.num_rows == 1
    unseen = b"\x00\x00\x00\x00\x63" + value[5:]
    with pytest.raises(SchemaRegistryUnavailableError):
        ours.decode([value, unseen])
    with running(port=port):
        assert [f.index for f in ours.decode([value, unseen]).failures] == [1]


def test_a_registry_needs_a_url_that_can_be_one() -> None:
    with pytest.raises(ConfigurationError, match="must be a URL"):
        create_codec("avro", {"schema_registry_url": "localhost"})
