from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sabot.codecs import ProtobufCodec
from sabot.codecs.codec import Failure
from sabot.codecs.protobuf import message_type
from sabot.codecs.protobuf.frames import by_head, cut, cut_alike
from sabot.codecs.protobuf.indexes import write_indexes
from sabot.codecs.schema_registry import frame

pytestmark = pytest.mark.slow

SCHEMA = 'syntax = "proto3"; message Row { int64 id = 1; string t = 2; }'
HEADS = st.builds(
    lambda number, path: frame(number) + write_indexes(path),
    st.sampled_from([7, 200, 2**31 - 1]),
    st.sampled_from([[0], [1], [1, 0], [200]]),
)


@cache
def codec(**options: Any) -> ProtobufCodec:
    # The message is given, so that no registry is asked for it.
    return ProtobufCodec(schema=SCHEMA, **options)


@cache
def framed() -> ProtobufCodec:
    return codec(schema_registry_url="http://127.0.0.1:1")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(HEADS, st.binary(max_size=4)), max_size=5),
    st.booleans(),
    st.sampled_from([1, 100]),
)
def test_records_that_begin_alike_are_cut_as_each_by_itself(
    parts: list[tuple[bytes, bytes]], same: bool, times: int
) -> None:
    parts *= times
    if same:
        parts = [(parts[0][0], payload) for _, payload in parts]
    values = [head + payload for head, payload in parts]
    failures: list[Failure] = []
    groups = by_head(values, failures)
    assert not failures
    assert {number: (head, payload) for number, (head, payload) in enumerate(parts)} == {
        number: (head, payload)
        for head, (numbers, payloads) in groups.items()
        for number, payload in zip(numbers, payloads, strict=True)
    }
    found = cut_alike(values)
    if len(groups) == 1:
        assert found is not None
        assert found[0] == parts[0][0]
        cuts = found[1].to_pylist() if isinstance(found[1], pa.Array) else found[1]
        assert cuts == [payload for _, payload in parts]
    else:
        assert found is None


@pytest.mark.parametrize("other", [None, b"", b"\x00\x00\x00\x00\x07", b"\x01\x00\x00\x00\x07\x00"])
def test_one_that_begins_otherwise_is_left_to_a_closer_look(other: bytes | None) -> None:
    head = frame(7) + b"\x00"
    assert cut_alike([head, other, head + b"a"]) is None
    assert cut_alike([head + b"a"] * 300 + [other]) is None
    assert cut_alike([other, head]) is None
    assert cut(head + b"a") == (head, b"a")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"", b"\x08\x01", b"\x12\x01a", b"\x08\x02\x12\x01b", b"\xff", None]),
        max_size=8,
    ),
    st.data(),
)
def test_framed_records_are_what_they_are_without_a_frame(
    payloads: list[bytes | None], data: st.DataObject
) -> None:
    heads = [data.draw(HEADS) for _ in payloads]
    if data.draw(st.booleans()):
        heads = heads[:1] * len(heads)
    values = [
        None if payload is None else head + payload
        for head, payload in zip(heads, payloads, strict=True)
    ]
    plain, found = codec().decode(payloads), framed().decode(values)
    assert found.columns.equals(plain.columns)
    assert [(each.index, str(each.error)) for each in found.failures] == [
        (each.index, str(each.error)) for each in plain.failures
    ]


def test_many_empty_messages_are_rows_of_defaults() -> None:
    for found in (codec().decode([b""] * 300), framed().decode([frame(7) + b"\x00"] * 300)):
        assert found.columns.to_pylist() == [{"id": 0, "t": ""}] * 300


def test_many_of_another_message_are_not_taken_for_the_same() -> None:
    values = [frame(200) + b"\x00\x08\x01"] * 300
    assert cut_alike(values) is not None
    assert cut_alike([*values, frame(201) + b"\x00\x08\x01"]) is None
    decoded = framed().decode([*values, frame(201) + b"\x00\x08\x02", b"\x07", None])
    assert [failure.index for failure in decoded.failures] == [301]
    assert decoded.columns.column("id").to_pylist() == [1] * 300 + [2, None]


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 59)), st.sampled_from([1, 7, 59, 60, 1_000]))
def test_bad_records_cost_no_others_however_long_the_blocks_are(bad: set[int], block: int) -> None:
    values = [b"\xff" if n in bad else bytes([8, n]) for n in range(60)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message_type, "_BLOCK", block)
        decoded = codec().decode(values)
    assert [failure.index for failure in decoded.failures] == sorted(bad)
    good = [n for n in range(60) if n not in bad]
    assert decoded.columns.equals(
        pa.RecordBatch.from_pylist(
            [{"id": n, "t": ""} for n in good], schema=decoded.columns.schema
        )
    )
