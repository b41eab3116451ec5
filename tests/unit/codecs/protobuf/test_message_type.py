"""The two ways to read and write a message agree."""

from __future__ import annotations

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabot.codecs.protobuf.message_type import MessageType
from sabot.codecs.protobuf.shapes import message_shape
from sabot.codecs.protobuf.wire import MessageWire, column_wire
from tests.unit.codecs.protobuf.messages import PROTO2, PROTO3, full_message, message

GOOD = full_message().SerializeToString()


def by_messages(name: str) -> MessageType:
    made = MessageType(message(name).DESCRIPTOR, "us")
    made._columns = None
    return made


@pytest.fixture(scope="module")
def fast() -> MessageType:
    return MessageType(message("All").DESCRIPTOR, "us")


@pytest.fixture(scope="module")
def slow() -> MessageType:
    return by_messages("All")


def holds_odd_entries(value: bytes) -> bool:
    """Whether a map's entry holds more than key and value.

    Messages keep such an entry as a field that they do not know; columns ignore what is odd
    in it, as other languages do.
    """
    read = message("All").FromString(value)
    maps = {
        field.number
        for field in read.DESCRIPTOR.fields
        if field.message_type is not None and field.message_type.GetOptions().map_entry
    }
    return any(field.field_number in maps for field in UnknownFieldSet(read))


@settings(max_examples=100)
@given(changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=3))
@example(changes=[(GOOD.index(b"\x12\x09\x11"), 8)])
def test_columns_are_the_same_either_way(
    fast: MessageType, slow: MessageType, changes: list[tuple[int, int]]
) -> None:
    changed = bytearray(GOOD)
    for at, byte in changes:
        changed[at] = byte
    values = [GOOD, bytes(changed), b""]
    columns, failures = fast.decode(values)
    other, other_failures = slow.decode(values)
    # Bytes that no client writes may pass by columns; what passes by messages does so too.
    assert {f.index for f in failures} <= {f.index for f in other_failures}
    if len(failures) == len(other_failures) and (failures or not holds_odd_entries(bytes(changed))):
        assert columns == other
        assert [message("All").FromString(v or b"") for v in fast.encode(columns).values] == [
            message("All").FromString(v or b"") for v in slow.encode(columns).values
        ]


@pytest.mark.parametrize(
    ("name", "text", "columnar"),
    [
        ("All", PROTO3, True),
        ("Flat", PROTO3, True),
        ("Empty", PROTO3, False),
        ("Far", PROTO3, False),
        ("Order", PROTO2, True),
        ("Grouped", PROTO2, False),
    ],
)
def test_the_columnar_way_is_taken_where_it_can_be(name: str, text: str, columnar: bool) -> None:
    shape = message_shape(message(name, text).DESCRIPTOR, "us")
    assert (column_wire(shape, MessageWire(shape).descriptor) is not None) == columnar
