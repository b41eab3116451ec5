"""Bytes that no well-meaning client writes: one failed record each, neighbours intact."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabot.codecs import ProtobufCodec
from sabot.errors import DecodeError
from tests.unit.codecs.protobuf.messages import full_message, message


@pytest.fixture(scope="module")
def codec() -> ProtobufCodec:
    return ProtobufCodec(message_class=message("All"))


GOOD = full_message().SerializeToString()


def check(codec: ProtobufCodec, value: bytes) -> None:
    alone = codec.decode([GOOD]).columns
    decoded = codec.decode([GOOD, value, GOOD])
    columns = decoded.columns
    columns.validate(full=True)
    assert columns.slice(0, 1) == alone
    assert columns.slice(columns.num_rows - 1) == alone
    assert columns.num_rows + len(decoded.failures) == 3
    for failure in decoded.failures:
        assert failure.index == 1
        assert isinstance(failure.error, DecodeError)
    if not decoded.failures:
        again = codec.encode(columns)
        assert not again.failures
        assert codec.decode(again.values).columns == columns


@pytest.mark.slow
def test_a_record_cut_off_at_any_byte(codec: ProtobufCodec) -> None:
    for end in range(len(GOOD)):
        check(codec, GOOD[:end])


@settings(max_examples=150)
@given(value=st.binary(max_size=60))
def test_random_bytes(codec: ProtobufCodec, value: bytes) -> None:
    check(codec, value)


@settings(max_examples=150)
@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
@example(at=246, byte=0)  # an entry of a map of messages that has no value
def test_one_byte_changed(codec: ProtobufCodec, at: int, byte: int) -> None:
    check(codec, GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])


@pytest.mark.parametrize(
    "value",
    [
        b"\x72\xff\xff\xff\xff\x0f",
        b"\x72" + b"\xff" * 9 + b"\x01",
        b"\x9a\x01" + b"\xff" * 9 + b"\x01",
        b"\x9a\x01\x0b\x12" + b"\xf6" + b"\xff" * 8 + b"\x01",
        b"\x0b" * 10_000,
        b"\xff" * 1_000_000,
        b"\x72\xc0\x84\x3d" + b"a" * 1_000_000,
        b"\xa2\x01\x00" * 10_000,
        b"\x9a\x02" + b"\x80" * 8 + b"\x01",
    ],
    ids=range(9),
)
def test_hostile_bytes_fail_alone(codec: ProtobufCodec, value: bytes) -> None:
    check(codec, value)


def test_messages_nested_ten_thousand_deep_fail_alone(codec: ProtobufCodec) -> None:
    value = b""
    for _ in range(10_000):
        size, head = len(value), bytearray(b"\x12")
        while size > 0x7F:
            head.append(size & 0x7F | 0x80)
            size >>= 7
        head.append(size)
        value = bytes(head) + value
    tree = ProtobufCodec(message_class=message("Tree"))
    good = message("Tree")(name="x").SerializeToString()
    decoded = tree.decode([good, value, good])
    decoded.columns.validate(full=True)
    assert decoded.columns.num_rows + len(decoded.failures) == 3
    rows = tree.decode_rows([good, value, good])
    assert [failure.index for failure in rows.failures] == [1]
