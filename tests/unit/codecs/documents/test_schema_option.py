from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import JsonCodec
from sabot.codecs.documents.schema_option import pinned_schema
from sabot.errors import ConfigurationError

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)

READ: list[tuple[pa.DataType, str, Any]] = [
    *[(kind(), "7", 7) for kind in (pa.int8, pa.int16, pa.int32, pa.int64)],
    *[(kind(), "7", 7) for kind in (pa.uint8, pa.uint16, pa.uint32, pa.uint64)],
    (pa.uint64(), str(2**64 - 1), 2**64 - 1),
    (pa.float32(), "0.5", 0.5),
    (pa.float64(), "3", 3.0),
    (pa.bool_(), "true", True),
    (pa.null(), "null", None),
    (pa.string(), '"x"', "x"),
    (pa.large_string(), "12", "12"),
    (pa.decimal128(20, 3), "12345678901234567.125", Decimal("12345678901234567.125")),
    (pa.decimal256(50, 1), '"1.5"', Decimal("1.5")),
    (pa.timestamp("ms", "UTC"), '"2024-05-06T14:00:00+02:00"', NOON),
    (pa.timestamp("ms", "UTC"), str(int(NOON.timestamp() * 1000)), NOON),
    (pa.timestamp("us"), '"2024-05-06 12:00:00.000001"', datetime(2024, 5, 6, 12, 0, 0, 1)),  # noqa: DTZ001
    (pa.date32(), '"2024-05-06"', date(2024, 5, 6)),
    (pa.date32(), "1", date(1970, 1, 2)),
    (pa.date64(), '"2024-05-06"', date(2024, 5, 6)),
    (pa.binary(), '"eHk="', b"xy"),
    (pa.large_binary(), '"eHk="', b"xy"),
    (pa.binary(2), '"eHk="', b"xy"),
    (pa.list_(pa.int8()), "[1,null]", [1, None]),
    (pa.large_list(pa.struct([("a", pa.int8())])), '[{"a":1},null]', [{"a": 1}, None]),
    (pa.list_(pa.int8(), 2), "[1,2]", [1, 2]),
    (pa.struct([("a", pa.date32())]), '{"a":"2024-05-06","z":1}', {"a": date(2024, 5, 6)}),
    (pa.map_(pa.string(), pa.int64()), '{"a":1,"b":null}', [("a", 1), ("b", None)]),
    (pa.list_(pa.date32()), '["2024-05-06"]', [date(2024, 5, 6)]),
]


def pinned(kind: pa.DataType) -> JsonCodec:
    return JsonCodec(schema=pa.schema([("a", kind)]))


@pytest.mark.parametrize(("kind", "text", "expected"), READ)
def test_json_is_read_into_the_pinned_type_and_written_back(
    kind: pa.DataType, text: str, expected: Any
) -> None:
    codec = pinned(kind)
    decoded = codec.decode([f'{{"a":{text}}}'.encode(), b"{}", None, b'{"a":null}'])
    assert not decoded.failures
    decoded.columns.validate(full=True)
    assert decoded.columns.schema.field("a").type == kind
    assert decoded.columns.column("a").to_pylist() == [expected, None, None, None]
    written = codec.encode(decoded.columns)
    assert not written.failures
    assert codec.decode(written.values).columns == decoded.columns
    assert codec.encode(decoded.columns.slice(1)).values == written.values[1:]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.int8(), "128"),
        (pa.int8(), "1.0"),
        (pa.int64(), '"1"'),
        (pa.int64(), "true"),
        (pa.int64(), str(2**63)),
        (pa.uint8(), "-1"),
        (pa.uint64(), str(2**64)),
        (pa.float32(), "1e300"),
        (pa.bool_(), "1"),
        (pa.null(), "1"),
        (pa.string(), "1.5"),
        (pa.string(), "[]"),
        (pa.decimal128(5, 2), "1.234"),
        (pa.decimal128(5, 2), "1e9999999"),
        (pa.decimal128(5, 2), '"NaN"'),
        (pa.timestamp("s"), '"2024-05-06T12:00:00Z"'),
        (pa.timestamp("s", "UTC"), '"2024-05-06T12:00:00"'),
        (pa.timestamp("s"), '"2024-05-06T12:00:00.5"'),
        (pa.timestamp("s"), '"noon"'),
        (pa.timestamp("s"), str(2**70)),
        (pa.date32(), '"2024-13-01"'),
        (pa.binary(), '"?"'),
        (pa.binary(3), '"eHk="'),
        (pa.list_(pa.int8()), "{}"),
        (pa.list_(pa.int8(), 2), "[1]"),
        (pa.struct([("a", pa.int8())]), '{"a":"x"}'),
        (pa.map_(pa.string(), pa.int64()), '{"a":"x"}'),
    ],
)
def test_a_value_that_does_not_fit_fails_its_record_alone(kind: pa.DataType, text: str) -> None:
    decoded = pinned(kind).decode([b"{}", f'{{"a":{text}}}'.encode(), b"[", b'{"b":1}'])
    assert [one.index for one in decoded.failures] == [1, 2]
    assert decoded.columns.num_rows == 2
    assert "a" in str(decoded.failures[0].error)


def test_only_the_pinned_columns_are_read_and_the_rest_must_be_json_all_the_same() -> None:
    codec = pinned(pa.int64())
    decoded = codec.decode(
        [b'{"z":{"y":[1,"\xc3\xbc"]},"a":1}', b'{"a":1,"z":"\xff"}', b'{"a":1,"z":nope}']
    )
    assert decoded.columns.to_pylist() == [{"a": 1}]
    assert [one.index for one in decoded.failures] == [1, 2]
    assert "UTF-8" in str(decoded.failures[0].error)


def test_nanoseconds_survive() -> None:
    codec = pinned(pa.timestamp("ns", "Europe/Berlin"))
    decoded = codec.decode([b'{"a":"2024-05-06T12:00:00.123456789Z"}'])
    assert decoded.columns.column("a").cast(pa.int64()).to_pylist() == [1714996800123456789]
    assert codec.encode(decoded.columns).values == [b'{"a":"2024-05-06T12:00:00.123456789Z"}']


def test_odd_keys_of_pinned_objects_and_maps_are_kept() -> None:
    codec = JsonCodec(
        schema=pa.schema([('"', pa.map_(pa.string(), pa.struct([("\n", pa.int64())])))])
    )
    value = {'"': {"\\": {"\n": 1}, "\ufdd0": None}}
    decoded = codec.decode([json.dumps(value).encode()])
    assert decoded.columns.column(0).to_pylist() == [[("\\", {"\n": 1}), ("\ufdd0", None)]]
    assert json.loads(codec.encode(decoded.columns).values[0] or b"") == value


def test_a_column_is_nullable_even_if_the_schema_says_otherwise() -> None:
    codec = JsonCodec(schema=pa.schema([pa.field("a", pa.int64(), nullable=False)]))
    columns = codec.decode([None]).columns
    columns.validate(full=True)
    assert columns.schema.field("a").nullable


@pytest.mark.parametrize(
    "kind",
    [
        pa.time32("ms"),
        pa.duration("s"),
        pa.month_day_nano_interval(),
        pa.map_(pa.int8(), pa.int8()),
    ],
)
def test_a_type_that_json_is_not_read_into_is_refused_by_its_path(kind: pa.DataType) -> None:
    with pytest.raises(ConfigurationError, match=r"'a\[\]\.b'"):
        pinned(pa.list_(pa.struct([("b", kind)])))


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'a' occurs more than once"):
        JsonCodec(schema=pa.schema([("a", pa.int8()), ("a", pa.int8())]))


def test_a_json_schema_gives_its_types() -> None:
    schema = pinned_schema(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "integer", "minimum": 0},
                "at": {"type": "string", "format": "date-time"},
                "rate": {"type": ["number", "null"]},
                "ok": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "by": {"type": "object", "properties": {"n": {"type": "null"}}},
                "more": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
        }
    )
    assert schema == pa.schema(
        [
            ("id", pa.int64()),
            ("at", pa.string()),
            ("rate", pa.float64()),
            ("ok", pa.bool_()),
            ("tags", pa.list_(pa.string())),
            ("by", pa.struct([("n", pa.null())])),
            ("more", pa.map_(pa.string(), pa.int64())),
        ]
    )


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ({"$ref": "#/x"}, "'p' of the JSON Schema uses '\\$ref'"),
        ({"oneOf": []}, "uses 'oneOf'"),
        ({"type": "array", "items": {"allOf": []}}, r"'p\[\]' of the JSON Schema uses 'allOf'"),
        ({"type": "array"}, "without 'items'"),
        ({"type": "object"}, "without 'properties'"),
        ({"type": ["string", "integer"]}, "one type, and null"),
        ({"type": "text"}, "'text'"),
        ({"enum": [1]}, "has no 'type'"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "more than one type"),
        ({"type": "object", "properties": {"q": {"not": {}}}}, r"'p\.q'"),
        (True, "has schema True"),
    ],
)
def test_a_json_schema_that_pins_no_single_type_is_refused_by_its_path(
    member: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pinned_schema({"type": "object", "properties": {"p": member}})


@pytest.mark.parametrize("given", ["id: int64", 7, {"type": "string"}])
def test_what_is_no_schema_of_an_object_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError):
        JsonCodec(schema=given)
