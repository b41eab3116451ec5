from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.codecs.protobuf.indexes import find_message, index_path, read_indexes, write_indexes
from sabot.errors import DecodeError
from tests.unit.codecs.protobuf.messages import message

NESTED = 'syntax = "proto3"; message A {} message B { message C {} message D { message E {} } }'


@given(path=st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_what_is_written_is_read(path: list[int]) -> None:
    written = write_indexes(path)
    assert read_indexes(b"12345" + written + b"rest", 5) == (tuple(path), 5 + len(written))


def test_the_long_form_of_the_first_message_is_read_too() -> None:
    assert read_indexes(b"\x02\x00", 0) == ((0,), 2)


@pytest.mark.parametrize("value", [b"", b"\x02", b"\x01", b"\xff" * 10, b"\xfe\x01" + b"\0" * 200])
def test_what_are_no_indexes_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError):
        read_indexes(value, 0)


@pytest.mark.parametrize(
    ("name", "path"), [("A", [0]), ("B", [1]), ("C", [1, 0]), ("D", [1, 1]), ("E", [1, 1, 0])]
)
def test_a_path_leads_to_its_message(name: str, path: list[int]) -> None:
    descriptor = message(name, NESTED).DESCRIPTOR
    assert index_path(descriptor) == path
    assert find_message(descriptor.file, path).name == name


@pytest.mark.parametrize("path", [[2], [0, 0], [1, 2], [-1]])
def test_a_path_to_nowhere_is_refused(path: list[int]) -> None:
    with pytest.raises(DecodeError, match="no such message"):
        find_message(message("A", NESTED).DESCRIPTOR.file, path)
