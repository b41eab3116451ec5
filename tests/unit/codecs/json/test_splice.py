from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import JsonCodec

ORIGINALS = [b'{"a":1}', b' {\n "a" : {} \n}\r\n', b"{}", b"{ }", b'{"a":"}{"}', b'{"a":[{}]}']


def added(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True] * 6, pa.bool_()),
        pa.array([None] * 6, pa.int64()),
        pa.array(["ü\n"] * 6, pa.string()),
        pa.array(range(6), pa.int64()),
        pa.array([0.0, -0.0] * 3, pa.float64()),
        pa.array([{"n": [1]}] * 6, pa.struct([("n", pa.list_(pa.int8()))])),
    ],
)
def test_members_are_added_and_the_rest_is_untouched(column: pa.Array) -> None:
    encoded = JsonCodec().extend(ORIGINALS, added(x=column, y=column))
    assert encoded is not None
    assert not encoded.failures
    for before, after, value in zip(ORIGINALS, encoded.values, column.to_pylist(), strict=True):
        assert after is not None
        assert json.loads(after) == {**json.loads(before), "x": value, "y": value}
        assert repr(json.loads(after)["x"]) == repr(value)
        assert after.startswith(before.rstrip()[:-1].rstrip())


def test_a_tombstone_becomes_an_object_of_the_added_members() -> None:
    for column in (pa.array([1, 1], pa.int8()), pa.array([1, 2], pa.int8())):
        encoded = JsonCodec().extend([b'{"a":1}', None], added(x=column))
        assert encoded is not None
        assert json.loads(encoded.values[1] or b"") == {"x": column[1].as_py()}


def test_nothing_added_changes_nothing() -> None:
    encoded = JsonCodec().extend([b"{} ", None], JsonCodec().decode([b"{}", None]).columns)
    assert encoded is not None
    assert encoded.values == [b"{} ", None]


def test_no_values_give_no_values() -> None:
    encoded = JsonCodec().extend([], added(x=pa.array([], pa.int8())))
    assert encoded is not None
    assert encoded.values == []


@pytest.mark.parametrize("value", [b"[1]", b'"x}"', b"7", b""])
def test_what_is_no_object_cannot_be_extended(value: bytes) -> None:
    for column in (pa.array([1, 1], pa.int8()), pa.array([1, 2], pa.int8())):
        assert JsonCodec().extend([b"{}", value], added(x=column)) is None


def test_a_member_the_pinned_schema_ignored_is_replaced() -> None:
    codec = JsonCodec(schema=pa.schema([("a", pa.int64())]))
    values = [b'{"x":1, "a":1.0}', rb'{"\u0078":1}', rb'{"b":"\n"}', b'{"b":"x"}', None]
    encoded = codec.extend(values, added(x=pa.array([9] * 5, pa.int8())))
    assert encoded is not None
    assert encoded.values == [
        b'{"a":1.0,"x":9}',
        b'{"x":9}',
        rb'{"b":"\n","x":9}',
        b'{"b":"x","x":9}',
        b'{"x":9}',
    ]


@pytest.mark.parametrize("length", [1, 3])
def test_a_row_that_cannot_be_written_fails_alone(length: int) -> None:
    offsets: Any = pa.array(range(length + 1), pa.int32()).buffers()[1]
    text = pa.py_buffer(b"a\xffc" if length == 3 else b"\xff")
    column = pa.Array.from_buffers(pa.string(), length, [None, offsets, text])
    encoded = JsonCodec().extend([b"{}"] * length, added(x=column))
    assert encoded is not None
    assert [failure.index for failure in encoded.failures] == [length // 2]
    assert encoded.values == [b'{"x":"a"}', b'{"x":"c"}'][: length - 1]
