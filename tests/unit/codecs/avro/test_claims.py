"""A few bytes that claim to be very much, and records that only look like it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sabot.codecs import AvroCodec
from sabot.codecs.avro.claims import PLACES, Claims
from sabot.codecs.avro.schema import parse
from sabot.errors import DecodeError
from tests.unit.codecs.avro.values import FIXED, PARTED, RICH, record, written


def of(*types: Any, name: str = "R") -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


WIDE = of(*[["null", "long"]] * 500, name="W")
ITEMS = of({"type": "array", "items": ["null", WIDE]})
FEW = zigzag(3) + bytes(4)


def claims(schema: Any) -> Claims:
    tree = parse(schema).record
    return Claims(tree, tree)


@pytest.mark.parametrize(
    "schema",
    [
        ITEMS,
        of({"type": "map", "values": ["null", WIDE]}),
        of({"type": "array", "items": {"type": "array", "items": ["null", WIDE]}}),
        of({"type": "array", "items": of("int", *["null"] * 500, name="Nulls")}),
        of({"type": "array", "items": ["null", "int", WIDE]}),
        of({"type": "fixed", "name": "F", "size": 0}, {"type": "array", "items": ["null", WIDE]}),
        of({"type": "array", "items": ["null", of(WIDE, {"type": "fixed", "name": "F", "size": 3},
                                               name="Odd")]}),
    ],
)  # fmt: skip
def test_a_megabyte_of_wide_items_that_are_null_fails_alone(schema: Any) -> None:
    # As an array of arrays the first one has all the items; as a map, all of the same key.
    count = 500_000
    start = zigzag(1) if "'items': {'type': 'array'" in str(schema) else b""
    bomb = start + zigzag(count) + bytes(2 * count)
    codec = AvroCodec(schema=schema)
    decoded = codec.decode([b"\0", bomb, b"\0", b"", b"\0"])
    assert [failure.index for failure in decoded.failures] == [1, 3]
    assert decoded.columns.num_rows == 3
    assert "claim more than" in str(decoded.failures[0].error)
    assert len(codec.decode_rows([b"\0", bomb, b"\0"]).failures) == 1


@pytest.mark.parametrize("count", [2**40, 2**62, -(2**62)])
def test_ten_bytes_that_claim_any_number_of_items_fail_alone(count: int) -> None:
    codec = AvroCodec(schema=ITEMS)
    decoded = codec.decode([FEW, zigzag(count) + b"\0\0", FEW])
    assert [failure.index for failure in decoded.failures] == [1]
    assert decoded.columns.num_rows == 2


def test_wide_items_are_read_where_they_are_no_more_than_their_bytes_allow() -> None:
    row = {"f0": [None, *[{f"f{n}": n for n in range(500)}] * 300]}
    value = written(ITEMS, row)
    assert len(value) * 500 > PLACES
    claims(ITEMS).check(value, 0)
    assert AvroCodec(schema=ITEMS).decode([value]).columns.to_pylist() == [row]


def test_what_is_read_as_wide_items_counts_as_they_do() -> None:
    narrow = {"type": "array", "items": ["null", of("long", name="W")]}
    reads = Claims(parse(of(narrow)).record, parse(ITEMS).record)
    value = zigzag(100_000) + bytes(100_001)
    claims(of(narrow)).check(value, 0)
    with pytest.raises(DecodeError, match="claim more than"):
        reads.check(value, 0)


@pytest.mark.parametrize("how", [b"\x02" + b"\xff" * 9 + b"\x01", zigzag(-(2**63)), zigzag(-5)])
def test_numbers_that_decoders_may_take_for_others_are_refused(how: bytes) -> None:
    with pytest.raises(DecodeError, match="cut off, or not of its schema"):
        claims(ITEMS).check(b"\x02" + how + bytes(1000), 0)


@pytest.mark.parametrize("schema", [RICH, FIXED, PARTED], ids=["rich", "fixed", "parted"])
def test_the_walk_ends_where_the_record_does(schema: Any) -> None:
    wide = {"name": "wide_items", "type": {"type": "array", "items": ["null", WIDE]}}
    padding = {"name": "padding", "type": "bytes"}
    longer = schema | {"fields": [*schema["fields"], wide, padding]}
    checked = claims(longer)
    for seed in range(20):
        row = record(random.Random(seed), schema) | {"wide_items": [None], "padding": bytes(500)}
        value = written(longer, row)
        checked.check(value, 0)
        with pytest.raises(DecodeError, match="cut off"):
            checked.check(value[:-1], 0)
