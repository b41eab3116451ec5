"""Schemas that are small to write and large to follow."""

from __future__ import annotations

from typing import Any

import pytest

from sabot.codecs import JsonSchemaCodec
from sabot.codecs.json_schema.breadth import MAX_WAYS, Breadth
from sabot.codecs.json_schema.references import References
from sabot.errors import CodecError, ConfigurationError


def ways(schema: Any) -> int:
    return Breadth(schema, References(schema, {})).ways


def doubling(levels: int, keyword: str, last: Any) -> dict[str, Any]:
    """Return a schema each of whose definitions asks twice for the next one."""
    definitions: dict[str, Any] = {
        f"r{number}": {keyword: [{"$ref": f"#/definitions/r{number + 1}"}] * 2}
        for number in range(levels)
    }
    definitions[f"r{levels}"] = last
    return {"definitions": definitions, "$ref": "#/definitions/r0"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, 1),
        ({}, 1),
        ({"properties": {"a": {}, "b": {"properties": {"a": {}}}}}, 1),
        ({"items": {"items": {"type": "string"}}}, 1),
        ({"oneOf": [{"const": 1}, {"const": 2}, {"not": {"const": 3}}]}, 3),
        ({"anyOf": [{"properties": {"a": {}}}, {"additionalProperties": {}}]}, 2),
        (doubling(10, "allOf", {"type": "object"}), 1024),
    ],
)
def test_ways_are_counted_to_one_place(schema: Any, expected: int) -> None:
    assert ways(schema) == expected


def test_levels_multiply() -> None:
    schema: Any = {"type": "integer"}
    for _ in range(10):
        schema = {"anyOf": [{"properties": {"a": schema}}, {"properties": {"a": schema}}]}
    assert ways(schema) == 1024


def test_what_refers_to_itself_counts_once() -> None:
    tree = {"anyOf": [{"type": "null"}, {"properties": {"left": {"$ref": "#"}}}]}
    found = Breadth(tree, References(tree, {}))
    assert (found.ways, found.circular) == (2, True)
    assert ways({"$ref": "#"}) == 1


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
@pytest.mark.parametrize("levels", [30, 200])
def test_a_schema_of_a_billion_ways_is_refused(keyword: str, levels: int) -> None:
    with pytest.raises(ConfigurationError, match=f"in more than {MAX_WAYS} ways"):
        JsonSchemaCodec(schema=doubling(levels, keyword, {"required": ["x"]}))


def test_a_chain_without_end_is_refused() -> None:
    with pytest.raises((ConfigurationError, CodecError), match="nested too deeply"):
        JsonSchemaCodec(schema=doubling(20_000, "allOf", {}))


def test_many_fields_with_a_schema_in_common_are_no_many_ways() -> None:
    definitions = {
        f"r{number}": {
            "type": "object",
            "properties": {name: {"$ref": f"#/definitions/r{number + 1}"} for name in "ab"},
        }
        for number in range(30)
    }
    definitions["r30"] = {"type": "integer"}
    schema = {"definitions": definitions, "$ref": "#/definitions/r0"}
    assert ways(schema) == 1
    # It has a billion columns: they are inferred instead.
    decoded = JsonSchemaCodec(schema=schema).decode([b"{}", b'{"a":{"b":{}}}', b'{"a":1}'])
    assert [failure.index for failure in decoded.failures] == [2]


def test_a_document_that_fails_in_many_ways_is_refused_without_listing_them() -> None:
    codec = JsonSchemaCodec(schema=doubling(14, "anyOf", {"required": ["x"]}))
    decoded = codec.decode([b'{"x":1}', b"{}", b'{"x":2}'])
    assert [(each.index, str(each.error)) for each in decoded.failures] == [
        (1, "the value is not valid")
    ]
    assert decoded.columns.num_rows == 2


def test_a_deep_document_of_a_schema_that_refers_to_itself_twice_is_judged() -> None:
    twice = {"properties": {"a": {"oneOf": [{"$ref": "#"}, {"type": "object", "$ref": "#"}]}}}
    codec = JsonSchemaCodec(schema=twice)
    deep = b'{"a":' * 60 + b"{}" + b"}" * 60
    decoded = codec.decode([b"{}", deep, b"{}"])
    assert [failure.index for failure in decoded.failures] == [1]
    shallow = codec.decode([b'{"a":{}}'])
    assert "field 'a' is not valid" in str(shallow.failures[0].error)
