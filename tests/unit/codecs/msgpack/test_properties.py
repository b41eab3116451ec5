"""What is MessagePack's own, on random bytes; what it shares with others is in `documents`."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabot.codecs import MsgpackCodec
from tests.unit.codecs.documents.values import MSGPACK

pytestmark = pytest.mark.slow

GOOD = [msgpack.packb({"id": 1, "t": "a"}), msgpack.packb({"id": 2, "t": "b"})]


def library_reads(value: bytes) -> bool:
    """Whether the reference library reads a map with text keys, to any depth."""
    try:
        return isinstance(msgpack.unpackb(value), dict)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, OverflowError):
        return False


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
@example(b"\x81\xa2id\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")
def test_random_bytes_fail_alone_or_are_what_the_library_reads(value: bytes) -> None:
    codec = MsgpackCodec()
    decoded = codec.decode([GOOD[0], value, GOOD[1]])
    assert [failure.index for failure in decoded.failures] in ([], [1])
    ids = decoded.columns.column("id").to_pylist()
    assert (ids[0], ids[-1]) == (1, 2)
    assert decoded.columns.num_rows == 3 - len(decoded.failures)
    if not decoded.failures:
        assert library_reads(value)


@settings(max_examples=50, deadline=None)
@given(MSGPACK.simple)
def test_a_record_cut_short_anywhere_is_refused(document: dict[str, Any]) -> None:
    value = msgpack.packb(document)
    cuts = [value[:size] for size in range(len(value))]
    mixed = [part for cut in cuts for part in (GOOD[0], cut)]
    decoded = MsgpackCodec().decode(mixed)
    assert [failure.index for failure in decoded.failures] == list(range(1, len(mixed), 2))
    assert decoded.columns.column("id").to_pylist() == [1] * len(cuts) if cuts else True


@settings(max_examples=50, deadline=None)
@given(st.floats())
def test_a_double_keeps_its_bits(value: float) -> None:
    (read,) = MsgpackCodec().decode([msgpack.packb({"x": value})]).columns.column("x").to_pylist()
    assert math.isnan(read) if math.isnan(value) else (read, str(read)) == (value, str(value))
