from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import JsonCodec
from sabot.errors import EncodeError

INVALID_TEXT = pa.Array.from_buffers(
    pa.string(),
    3,
    [None, pa.array([0, 1, 2, 3], pa.int32()).buffers()[1], pa.py_buffer(b"a\xffc")],
)


@dataclass
class Order:
    id: int
    at: datetime


def test_columns_are_written_in_their_order_with_null_for_null() -> None:
    columns = pa.RecordBatch.from_pylist(
        [{"b": 1, "a": "x\ny"}, {"b": None, "a": "ü"}],
        schema=pa.schema([("b", pa.int64()), ("a", pa.string())]),
    )
    assert JsonCodec().encode(columns).values == [
        b'{"b":1,"a":"x\\ny"}',
        '{"b":null,"a":"ü"}'.encode(),
    ]


def test_an_empty_batch_and_a_batch_without_columns_are_written() -> None:
    codec = JsonCodec()
    assert codec.encode(codec.decode([]).columns).values == []
    assert codec.encode(codec.decode([b"{}", None]).columns).values == [b"{}", b"{}"]
    empty = pa.RecordBatch.from_pylist([], schema=pa.schema([("a", pa.int64())]))
    assert codec.encode(empty).values == []


@pytest.mark.parametrize("nested", [False, True])
def test_a_row_that_cannot_be_written_fails_alone(nested: bool) -> None:
    column: Any = INVALID_TEXT
    if nested:
        column = pa.StructArray.from_arrays([column], names=["t"])
    columns = pa.RecordBatch.from_arrays([pa.array([1, 2, 3], pa.int8()), column], names=["n", "t"])
    encoded = JsonCodec().encode(columns)
    [failure] = encoded.failures
    assert failure.index == 1
    assert type(failure.error) is EncodeError
    assert "utf-8" in str(failure.error)
    assert [json.loads(value or b"")["n"] for value in encoded.values] == [1, 3]


def test_two_columns_of_one_name_are_an_error_of_the_whole_batch() -> None:
    columns = pa.RecordBatch.from_arrays([pa.array([1], pa.int8())] * 2, names=["a", "a"])
    with pytest.raises(EncodeError, match=r"'a'.*more than once"):
        JsonCodec().encode(columns)


def test_objects_are_written_and_none_is_a_tombstone() -> None:
    rows = [{"a": [1, float("nan")]}, None, [], "x", Order(1, datetime(2024, 5, 6, tzinfo=UTC))]
    encoded = JsonCodec().encode_rows(rows)
    assert encoded.values == [
        b'{"a":[1,null]}',
        None,
        b"[]",
        b'"x"',
        b'{"id":1,"at":"2024-05-06T00:00:00Z"}',
    ]


def test_an_object_that_cannot_be_written_fails_alone() -> None:
    loop: list[Any] = []
    loop.append(loop)
    encoded = JsonCodec().encode_rows([1, object(), "\ud800", loop, 2**70])
    assert encoded.values == [b"1", b"1180591620717411303424"]
    assert [failure.index for failure in encoded.failures] == [1, 2, 3]
