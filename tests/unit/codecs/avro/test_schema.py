from __future__ import annotations

import json
from typing import Any

import pytest

from sabot.codecs.avro.columns import arrow_type
from sabot.codecs.avro.schema import parse
from sabot.errors import ConfigurationError


def record(*types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields}


def nested(levels: int) -> Any:
    schema: Any = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def doubling(levels: int) -> list[Any]:
    """Return a record whose type unfolds into 2**levels columns, in a few hundred bytes."""
    schema: Any = {"type": "record", "name": "R0", "fields": [{"name": "x", "type": "int"}]}
    for level in range(1, levels):
        fields = [
            {"name": "a", "type": schema},
            {"name": "b", "type": schema["name"]},
        ]
        schema = {"type": "record", "name": f"R{level}", "fields": fields}
    return schema  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        (record(["null", "R"]), "'R' contains itself"),
        (record({"type": "array", "items": "R"}), "'R' contains itself"),
        (record({"type": "array", "items": "null"}), "take no bytes"),
        (
            record({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}),
            "take no bytes",
        ),
        (doubling(30), "more than 10000 columns"),
        (nested(100), "deeper than 64"),
        (nested(10_000), "deeper than 64"),
        ('{"type":"array","items":' * 100_000, "nested too deeply"),
        (record(["int", "int"]), "not allowed"),
        (record(["int", ["string"]]), "branch of another"),
        (record([]), "not allowed"),
        (record("Nope"), "Nope"),
        (record({"type": "fixed", "name": "F", "size": -1}), "size -1"),
        (
            {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}] * 2},
            "two fields of one name",
        ),
        (7, "cannot be used"),
    ],
    ids=range(15),
)
def test_a_schema_that_columns_cannot_be_made_of_is_refused(schema: Any, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        parse(schema)


def test_a_name_is_defined_once_and_used_again() -> None:
    inner = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "int"}]}
    root = parse(record(inner, "In", {"type": "array", "items": "In"})).root
    assert root.fields[0].node == root.fields[1].node == root.fields[2].node.items


def test_names_come_from_referenced_schemas() -> None:
    imported = {"type": "enum", "name": "shop.Kind", "symbols": ["A"]}
    root = parse(record("shop.Kind"), [json.dumps(imported)]).root
    assert root.fields[0].node.symbols == ("A",)


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "string", "logicalType": "timestamp-millis"},
        {"type": "string", "logicalType": "of-mine"},
        {"type": "bytes", "logicalType": "decimal"},
        {"type": "bytes", "logicalType": "decimal", "precision": 1000},
        {"type": "fixed", "name": "U", "size": 3, "logicalType": "uuid"},
        {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"},
    ],
    ids=str,
)
def test_a_logical_type_that_is_not_known_or_not_valid_is_ignored(kind: dict[str, Any]) -> None:
    node = parse(record(kind)).root.fields[0].node
    assert node.logical is None
    assert arrow_type(node) in (
        arrow_type(parse(record("string")).root.fields[0].node),
        arrow_type(parse(record("bytes")).root.fields[0].node),
        arrow_type(node),
    )
