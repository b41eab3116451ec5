"""A schema with every kind of field, records of it, and the rows they must become."""

from __future__ import annotations

import copy
import datetime as dt
import io
import random
import uuid
from decimal import Decimal
from typing import Any

import fastavro

__all__ = ["FIXED", "PARTED", "RICH", "expected", "record", "written"]

Row = dict[str, Any]


def logical(kind: str, meaning: str, **more: Any) -> Row:
    return {"type": kind, "logicalType": meaning, **more}


INNER = {
    "type": "record",
    "name": "Inner",
    "fields": [
        {"name": "x", "type": "int"},
        {"name": "y", "type": {"type": "array", "items": "long"}},
    ],
}
RICH: Row = {
    "type": "record",
    "name": "Rich",
    "namespace": "n",
    "fields": [
        {"name": "int", "type": "int"},
        {"name": "long", "type": "long"},
        {"name": "float", "type": "float"},
        {"name": "double", "type": "double"},
        {"name": "boolean", "type": "boolean"},
        {"name": "string", "type": "string"},
        {"name": "bytes", "type": "bytes"},
        {"name": "null", "type": "null"},
        {"name": "null_first", "type": ["null", "int"]},
        {"name": "null_last", "type": ["string", "null"]},
        {"name": "enum", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
        {"name": "optional_enum", "type": ["null", "E"]},
        {"name": "array", "type": {"type": "array", "items": ["null", "string"]}},
        {"name": "map", "type": {"type": "map", "values": "bytes"}},
        {"name": "optional_record", "type": ["null", INNER]},
        {"name": "record", "type": "Inner"},
        {
            "name": "union",
            "type": [
                "null", "int", "string", "bytes", "E", "Inner", {"type": "array", "items": "int"}
            ],
        },
        {"name": "union_without_null", "type": ["int", "string"]},
        {"name": "date", "type": logical("int", "date")},
        {"name": "time_millis", "type": logical("int", "time-millis")},
        {"name": "time_micros", "type": logical("long", "time-micros")},
        {"name": "millis", "type": logical("long", "timestamp-millis")},
        {"name": "micros", "type": ["null", logical("long", "timestamp-micros")]},
        {"name": "local_millis", "type": logical("long", "local-timestamp-millis")},
        {"name": "local_micros", "type": logical("long", "local-timestamp-micros")},
        {"name": "decimal", "type": logical("bytes", "decimal", precision=10, scale=2)},
        {"name": "wide", "type": ["null", logical("bytes", "decimal", precision=50, scale=2)]},
        {"name": "uuid", "type": logical("string", "uuid")},
        {
            "name": "deep",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Deep",
                    "fields": [
                        {"name": "q", "type": ["null", "Inner"]},
                        {"name": "w", "type": {"type": "map", "values": "Inner"}},
                    ],
                },
            },
        },
    ],
}  # fmt: skip

FIXED: Row = copy.deepcopy(RICH)
FIXED["fields"] += [
    {"name": "empty", "type": {"type": "record", "name": "Empty", "fields": []}},
    {"name": "optional_empty", "type": ["null", "Empty"]},
    {"name": "fixed", "type": {"type": "fixed", "name": "F3", "size": 3}},
    {
        "name": "fixed_decimal",
        "type": logical("fixed", "decimal", name="FD", size=5, precision=8, scale=2),
    },
    {"name": "optional_fixed", "type": ["null", "F3"]},
    {"name": "fixed_union", "type": ["null", "F3", "int"]},
]
"""As `RICH`, with what records must be taken one by one for."""

EMPTY = {"type": "record", "name": "Empty2", "fields": [{"name": "n", "type": "null"}]}
HOLLOW = {
    "type": "record",
    "name": "Hollow",
    "fields": [
        {"name": "none", "type": "Empty2"},
        {"name": "x", "type": "long"},
        {"name": "null", "type": "null"},
        {"name": "f", "type": "F20"},
    ],
}
PARTED: Row = copy.deepcopy(RICH)
PARTED["fields"] += [
    {"name": "empty", "type": EMPTY},
    {"name": "optional_empty", "type": ["null", "Empty2"]},
    {"name": "empties", "type": {"type": "map", "values": "Empty2"}},
    {"name": "nulls", "type": {"type": "map", "values": "null"}},
    {"name": "zero", "type": {"type": "fixed", "name": "F0", "size": 0}},
    {"name": "fixed", "type": {"type": "fixed", "name": "F20", "size": 20}},
    {"name": "optional_fixed", "type": ["null", {"type": "fixed", "name": "F8", "size": 8}]},
    {"name": "short", "type": {"type": "fixed", "name": "F4", "size": 4}},
    {"name": "long_fixed", "type": [{"type": "fixed", "name": "F100", "size": 100}, "null"]},
    {
        "name": "fixed_decimal",
        "type": logical("fixed", "decimal", name="FD", size=16, precision=38),
    },
    {"name": "hollow", "type": HOLLOW},
    {"name": "hollows", "type": {"type": "array", "items": ["null", "Hollow"]}},
    {"name": "fixed_union", "type": ["null", "F20", "int", "Empty2", "Hollow", "F0"]},
]
"""As `RICH`, with what columns have in parts, or not at all."""


def inner(chance: random.Random) -> Row:
    sizes = range(chance.randint(0, 3))
    return {"x": chance.randint(-9, 9), "y": [chance.randint(-(2**62), 2**62) for _ in sizes]}


def record(chance: random.Random, schema: Row = RICH) -> Row:
    """Return a record as fastavro takes it."""
    some = chance.choice
    at = dt.datetime(2024, 1, 1, 2, 3, 4, 5000, dt.UTC)
    row = {
        "int": chance.randint(-(2**31), 2**31 - 1),
        "long": chance.randint(-(2**63), 2**63 - 1),
        "float": float(chance.randint(0, 100)),
        "double": chance.random(),
        "boolean": some([True, False]),
        "string": some(["", "\N{EURO SIGN}", "x" * 50]),
        "bytes": chance.randbytes(chance.randint(0, 9)),
        "null": None,
        "null_first": some([None, 5]),
        "null_last": some([None, "t"]),
        "enum": some("AB"),
        "optional_enum": some(["A", None]),
        "array": [some([None, "z"]) for _ in range(chance.randint(0, 3))],
        "map": {key: chance.randbytes(2) for key in "abc"[: chance.randint(0, 3)]},
        "optional_record": some([None, inner(chance)]),
        "record": inner(chance),
        "union": some(
            [None, 7, "str", b"\xff\xfe", ("n.E", "B"), ("n.Inner", inner(chance)), [1, 2]]
        ),
        "union_without_null": some([1, "q"]),
        "date": dt.date(2024, 1, chance.randint(1, 28)),
        "time_millis": dt.time(1, 2, 3, 4000),
        "time_micros": dt.time(1, 2, 3, 4),
        "millis": at,
        "micros": some([None, at.replace(microsecond=7)]),
        "local_millis": at.replace(tzinfo=None),
        "local_micros": at.replace(tzinfo=None, microsecond=3),
        "decimal": Decimal(chance.randint(-(10**9), 10**9)).scaleb(-2),
        "wide": some([None, Decimal(-1).scaleb(-2), Decimal(10**49).scaleb(-2)]),
        "uuid": uuid.UUID(int=chance.getrandbits(128)),
        "deep": [
            {"q": some([None, inner(chance)]), "w": {"k": inner(chance)}}
            for _ in range(chance.randint(0, 2))
        ],
    }
    if schema is FIXED:
        row |= {
            "empty": {},
            "optional_empty": some([None, {}]),
            "fixed": chance.randbytes(3),
            "fixed_decimal": Decimal(chance.randint(-(10**7), 10**7)).scaleb(-2),
            "optional_fixed": some([None, b"abc"]),
            "fixed_union": some([None, ("n.F3", b"abc"), 5]),
        }
    if schema is PARTED:
        hollow = {"none": {"n": None}, "x": 3, "null": None, "f": chance.randbytes(20)}
        row |= {
            "empty": {"n": None},
            "optional_empty": some([None, {"n": None}]),
            "empties": {key: {"n": None} for key in "abc"[: chance.randint(0, 3)]},
            "nulls": dict.fromkeys("abc"[: chance.randint(0, 3)]),
            "zero": b"",
            "fixed": chance.randbytes(20),
            "optional_fixed": some([None, b"\x01\0\0\0\0\0\xf0\x7f"]),
            "short": some([b"\x01\0\x80\x7f", chance.randbytes(4)]),
            "long_fixed": some([None, chance.randbytes(100)]),
            "fixed_decimal": Decimal(chance.randint(-(10**37), 10**37)),
            "hollow": hollow,
            "hollows": [some([None, hollow]) for _ in range(chance.randint(0, 3))],
            "fixed_union": some(
                [
                    None,
                    ("n.F20", chance.randbytes(20)),
                    5,
                    ("n.Empty2", {"n": None}),
                    ("n.Hollow", hollow),
                    ("n.F0", b""),
                ]
            ),
        }
    return row


def expected(row: Row) -> Row:
    """Return the row of columns that a record must become."""
    made = row | {
        "uuid": str(row["uuid"]),
        "map": list(row["map"].items()),
        "deep": [{"q": each["q"], "w": list(each["w"].items())} for each in row["deep"]],
        "union": branches(row["union"], "int", "string", "bytes", "n.E", "n.Inner", "array"),
        "union_without_null": branches(row["union_without_null"], "int", "string"),
    }
    if "fixed_union" in row:
        labels = ("n.F3", "int")
        if "hollow" in row:
            labels = ("n.F20", "int", "n.Empty2", "n.Hollow", "n.F0")
            made |= {name: list(row[name].items()) for name in ("empties", "nulls")}
        made["fixed_union"] = branches(row["fixed_union"], *labels)
    return made


def branches(value: Any, *labels: str) -> Row | None:
    if value is None:
        return None
    kinds = {int: "int", str: "string", bytes: "bytes", list: "array"}
    label, inside = value if isinstance(value, tuple) else (kinds[type(value)], value)
    return dict.fromkeys(labels) | {label: inside}


def written(schema: Any, row: Any) -> bytes:
    """Return a record's bytes as fastavro writes them."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), row)
    return stream.getvalue()
