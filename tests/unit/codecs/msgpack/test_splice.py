from __future__ import annotations

from typing import Any

import msgpack
import pyarrow as pa
import pytest

from sabot.codecs import Encoded, MsgpackCodec


def batch(**columns: list[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def extend(values: list[bytes | None], added: pa.RecordBatch, **options: Any) -> Encoded:
    encoded = MsgpackCodec(**options).extend(values, added)
    assert encoded is not None
    return encoded


@pytest.mark.parametrize("size", [0, 1, 14, 15, 16, 65_534, 65_535, 65_536])
@pytest.mark.parametrize("same", [True, False])
def test_members_are_added_behind_those_that_are_there(size: int, same: bool) -> None:
    document = {f"k{number}": number for number in range(size)}
    value = msgpack.packb(document)
    extra = ["x", "x"] if same else ["x", "y"]
    encoded = extend([value, value], batch(added=extra))
    for extended, text in zip(encoded.values, extra, strict=True):
        assert extended is not None
        assert msgpack.unpackb(extended) == {**document, "added": text}
        assert list(msgpack.unpackb(extended)) == [*document, "added"]


def test_a_wider_header_than_needed_is_taken() -> None:
    values: list[bytes | None] = [b"\xde\x00\x01\xa1a\x01", b"\xdf\x00\x00\x00\x01\xa1a\x01"]
    for extended in extend(values, batch(b=[2, 3])).values:
        assert extended is not None
        assert msgpack.unpackb(extended)["a"] == 1


def test_many_members_can_be_added() -> None:
    added = pa.RecordBatch.from_arrays(
        [pa.array([number]) for number in range(20)], names=[f"n{n}" for n in range(20)]
    )
    (value,) = extend([b"\x81\xa1a\x01"], added).values
    assert value is not None
    assert msgpack.unpackb(value) == {"a": 1, **{f"n{n}": n for n in range(20)}}


def test_a_tombstone_becomes_a_map_of_the_added_members() -> None:
    assert extend([None], batch(b=[2])).values == [b"\x81\xa1b\x02"]


def test_nothing_added_changes_nothing() -> None:
    empty = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))
    assert extend([b"\x80", None], empty).values == [b"\x80", None]
    assert extend([], batch(b=[])).values == []


@pytest.mark.parametrize("value", [b"", b"\x90", b"\xc0", b"text"])
def test_what_is_no_map_cannot_be_extended(value: bytes) -> None:
    assert MsgpackCodec().extend([value], batch(b=[1])) is None


def test_under_a_pinned_schema_an_ignored_member_of_that_name_is_replaced() -> None:
    schema = pa.schema([("a", pa.int64())])
    values: list[bytes | None] = [
        msgpack.packb({"a": 1, "b": "old"}),
        msgpack.packb({"a": 2, "c": "b"}),
        None,
    ]
    encoded = extend(values, batch(b=["n", "n", "n"]), schema=schema)
    assert [msgpack.unpackb(value or b"") for value in encoded.values] == [
        {"a": 1, "b": "n"},
        {"a": 2, "c": "b", "b": "n"},
        {"b": "n"},
    ]


def test_a_row_that_cannot_be_written_fails_alone() -> None:
    bad = pa.StringArray.from_buffers(
        2, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"x\xff")
    )
    encoded = extend([b"\x80", b"\x80"], pa.RecordBatch.from_arrays([bad], names=["t"]))
    assert encoded.values == [b"\x81\xa1t\xa1x"]
    assert [failure.index for failure in encoded.failures] == [1]
