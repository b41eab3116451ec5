"""One schema's records read by another's: what the Avro specification calls resolution."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from sabot.codecs.avro.records import Reading
from sabot.codecs.avro.schema import parse
from sabot.errors import ConfigurationError, DecodeError
from tests.unit.codecs.avro.values import logical, written


def of(*fields: Any, name: str = "R") -> dict[str, Any]:
    keys = ("name", "type", "default")
    made = [
        each if isinstance(each, dict) else dict(zip(keys, each, strict=False)) for each in fields
    ]
    return {"type": "record", "name": name, "fields": made}


def read(writer: Any, wanted: Any, value: Any, *, lenient: bool = False) -> Any:
    """Return what a record's only field becomes, or the error."""
    reading = Reading(parse(of(("a", writer))), parse(of(("a", wanted))), lenient=lenient)
    made, bad = reading.decode([written(of(("a", writer)), {"a": value})], 0)
    if bad:
        raise bad[0][1]
    return made[0].to_pylist()[0]["a"]


E = {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}
FEWER = {"type": "enum", "name": "E", "symbols": ["C", "A"]}
X = of(("x", "int"), ("y", "int"), name="X")
RENAMED = of({"name": "z", "type": "int", "aliases": ["x"]}, name="X")
NUMBER = {"string": None, "double": 4.0}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLIS, MICROS = logical("long", "timestamp-millis"), logical("long", "timestamp-micros")


@pytest.mark.parametrize(
    ("writer", "wanted", "value", "becomes"),
    [
        ("int", "long", 1, 1),
        ("int", "float", 1, 1.0),
        ("int", "double", 1, 1.0),
        ("long", "float", 2**60, float(2**60)),
        ("long", "double", 2**60 + 1, float(2**60)),
        ("float", "double", 1.5, 1.5),
        ("string", "bytes", "\N{EURO SIGN}", "\N{EURO SIGN}".encode()),
        ("bytes", "string", b"x", "x"),
        (E, FEWER, "C", "C"),
        (E, FEWER | {"default": "A"}, "B", "A"),
        ("int", ["null", "long"], 1, 1),
        (["null", "int"], "long", 1, 1),
        (["null", "int"], ["long", "null"], None, None),
        (["int", "null"], ["null", "double"], 4, 4.0),
        (["null", "int", "string"], ["null", "int"], 4, 4),
        (["int", "string"], "string", "x", "x"),
        (["null", "int", "string"], ["string", "null", "double"], 4, NUMBER),
        (["null", "int"], ["null", "string", "long"], 4, {"string": None, "long": 4}),
        (["null", "int"], ["null", "string", "long"], None, None),
        ("int", ["string", "int"], 4, {"string": None, "int": 4}),
        (X, of(("y", "long"), ("z", "int", 1), name="Other"), {"x": 1, "y": 2}, {"y": 2, "z": 1}),
        (X, RENAMED, {"x": 1, "y": 2}, {"z": 1}),
        (["null", X], ["null", of(("y", "double"), name="X")], {"x": 1, "y": 2}, {"y": 2.0}),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "double"}, [1], [1.0]),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, {"k": 1}, [("k", 1)]),
        (MILLIS, MICROS, 1000, EPOCH + dt.timedelta(seconds=1)),
        ("long", MICROS, 1000, EPOCH + dt.timedelta(milliseconds=1)),
        ("int", MILLIS, 10, EPOCH + dt.timedelta(milliseconds=10)),
        (logical("int", "date"), "long", 10, 10),
        (
            logical("bytes", "decimal", precision=4, scale=1),
            logical("bytes", "decimal", precision=6, scale=3),
            b"\x10",
            Decimal("1.600"),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_is_read_as_the_readers_type(
    writer: Any, wanted: Any, value: Any, becomes: Any
) -> None:
    assert read(writer, wanted, value) == becomes


@pytest.mark.parametrize(
    ("writer", "wanted", "value", "part"),
    [
        ("long", "int", 1, "written as 'long' and cannot be read as 'int'"),
        ("string", "long", "1", "cannot be read as 'long'"),
        (E, FEWER, "B", "does not know"),
        ("bytes", "string", b"\xff", "UTF8"),
        (["null", "int"], "long", None, "written as 'null'"),
        (["null", "int", "string"], ["null", "int"], "x", "written as 'string'"),
        (["null", X], ["null", of(("y", "string"), name="X")], {"x": 1, "y": 2}, "'a.y'"),
        (X, of(("z", "int"), name="X"), {"x": 1, "y": 2}, "'a.z' is not in what was written"),
        (
            logical("bytes", "decimal", precision=4, scale=2),
            logical("bytes", "decimal", precision=2, scale=1),
            b"\x11",
            "data",
        ),
        (
            {"type": "fixed", "name": "F", "size": 2},
            {"type": "fixed", "name": "F", "size": 3},
            b"ab",
            "2 bytes",
        ),
    ],
    ids=str,
)
def test_a_value_that_the_readers_type_cannot_hold_is_refused(
    writer: Any, wanted: Any, value: Any, part: str
) -> None:
    with pytest.raises(DecodeError, match=part):
        read(writer, wanted, value)


def test_a_null_inside_a_record_that_is_not_there_is_no_null() -> None:
    writer = ["null", of(("x", ["null", "int"]), name="X")]
    wanted = ["null", of(("x", "int"), name="X")]
    assert read(writer, wanted, None) is None
    assert read(writer, wanted, {"x": 1}) == {"x": 1}
    with pytest.raises(DecodeError, match=r"'a.x' was written as 'null'"):
        read(writer, wanted, {"x": None})


@pytest.mark.parametrize(
    ("kind", "default", "becomes"),
    [
        ("string", "d", "d"),
        ("bytes", "\xff", b"\xff"),
        ("double", 1, 1.0),
        (["null", "int"], None, None),
        (["int", "string"], 5, {"int": 5, "string": None}),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "int"}, {"k": 1}, [("k", 1)]),
        (of(("x", "int", 3), name="D"), {}, {"x": 3}),
        (E, "B", "B"),
        (logical("int", "date"), 1, dt.date(1970, 1, 2)),
        ({"type": "fixed", "name": "F", "size": 2}, "ab", b"ab"),
    ],
    ids=str,
)
def test_a_field_that_was_not_written_has_its_default(
    kind: Any, default: Any, becomes: Any
) -> None:
    old, new = of(("a", "int")), of(("a", "int"), ("n", kind, default))
    made, bad = Reading(parse(old), parse(new), lenient=False).decode([b"\x02", b"\x04"], 0)
    assert not bad
    assert made[0].to_pylist() == [{"a": 1, "n": becomes}, {"a": 2, "n": becomes}]


def test_a_default_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Default value"):
        parse(of(("n", "int", "x")))
    short = {"type": "array", "items": of(("x", "int"), name="D")}
    with pytest.raises(DecodeError, match="default of field 'n' lacks 'x'"):
        Reading(parse(of(("a", "int"))), parse(of(("n", short, [{}]))), lenient=False)


def test_without_a_schema_of_the_readers_own_what_is_missing_is_null() -> None:
    reading = Reading(parse(of(("a", "int"))), parse(of(("n", "int"))), lenient=True)
    assert reading.decode([b"\x02"], 0)[0][0].to_pylist() == [{"n": None}]
