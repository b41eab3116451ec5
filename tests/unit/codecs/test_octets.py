from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.codecs import BytesCodec, JsonCodec
from sabot.errors import EncodeError, SchemaMismatchError


@given(st.lists(st.none() | st.binary(max_size=6), max_size=8))
def test_every_value_comes_and_leaves_as_it_is(values: list[bytes | None]) -> None:
    codec = BytesCodec()
    decoded = codec.decode(values)
    assert not decoded.failures
    assert decoded.columns.column("value").to_pylist() == values
    assert codec.encode(decoded.columns).values == values
    assert codec.decode_rows(values).rows == values
    assert codec.encode_rows(values).values == values


def test_what_is_no_bytes_fails_alone() -> None:
    rows: list[Any] = [b"a", "text", bytearray(b"b"), memoryview(b"c"), 7]
    encoded = BytesCodec().encode_rows(rows)
    assert encoded.values == [b"a", b"b", b"c"]
    assert [failure.index for failure in encoded.failures] == [1, 4]
    assert isinstance(encoded.failures[0].error, EncodeError)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(1)])
def test_all_kinds_of_binary_columns_are_written(kind: pa.DataType) -> None:
    rows = pa.RecordBatch.from_arrays([pa.array([b"a", None], kind)], names=["value"])
    assert BytesCodec().encode(rows).values == [b"a", None]


def test_a_column_of_text_is_no_bytes() -> None:
    with pytest.raises(SchemaMismatchError, match="'value' is of type string"):
        BytesCodec().encode(pa.RecordBatch.from_pydict({"value": ["a"]}))


def test_bytes_take_no_further_columns_and_read_as_bytes_alone() -> None:
    rows = pa.RecordBatch.from_pydict({"flag": [True]})
    assert BytesCodec().extend([b"a"], rows) is None
    assert BytesCodec().reads_as(BytesCodec())
    assert not BytesCodec().reads_as(JsonCodec())
