"""Message indexes: which message of its file a record is, between schema id and payload.

They lead from the file's messages to those nested in them: ``[1, 0]`` is the first message
within the second. They are written as zigzag varints, the count first; ``[0]``, by far the
most common, is the single byte 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sabot.errors import DecodeError

__all__ = ["find_message", "index_path", "read_indexes", "write_indexes"]

_MAX_DEPTH = 100
_MAX_BITS = 35


def read_indexes(value: bytes, start: int) -> tuple[tuple[int, ...], int]:
    r"""Return the indexes that begin at ``start``, and where the payload begins.

    Raises:
        DecodeError: If there are none, or more than messages can be nested.

    Example:
        >>> read_indexes(b"\x00rest", 0)
        ((0,), 1)
        >>> read_indexes(b"\x04\x02\x00rest", 0)
        ((1, 0), 3)
    """
    count, at = _varint(value, start)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MAX_DEPTH:
        raise DecodeError(f"the value names {count} message indexes, not 1 to {_MAX_DEPTH}")
    path = []
    for _ in range(count):
        index, at = _varint(value, at)
        path.append(index)
    return tuple(path), at


def write_indexes(path: Sequence[int]) -> bytes:
    r"""Return the bytes for a path of indexes.

    Example:
        >>> write_indexes([0]), write_indexes([1, 0])
        (b'\x00', b'\x04\x02\x00')
    """
    if list(path) == [0]:
        return b"\x00"
    written = bytearray()
    for number in (len(path), *path):
        rest = number << 1
        while rest > 0x7F:
            written.append(rest & 0x7F | 0x80)
            rest >>= 7
        written.append(rest)
    return bytes(written)


def find_message(file: Any, path: Sequence[int]) -> Any:
    """Return the descriptor that a path leads to.

    Raises:
        DecodeError: If the file has no such message.
    """
    found = None
    choice = list(file.message_types_by_name.values())
    for index in path:
        if not 0 <= index < len(choice):
            raise DecodeError(
                f"the value is message {list(path)!r} of its schema, which has no such message"
            )
        found = choice[index]
        choice = list(found.nested_types)
    return found


def index_path(descriptor: Any) -> list[int]:
    """Return the path that leads to a message."""
    path: list[int] = []
    while descriptor is not None:
        around = descriptor.containing_type
        siblings = (
            list(descriptor.file.message_types_by_name.values())
            if around is None
            else list(around.nested_types)
        )
        names = [sibling.full_name for sibling in siblings]
        path.insert(0, names.index(descriptor.full_name))
        descriptor = around
    return path


def _varint(value: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(value) and shift < _MAX_BITS:
        byte = value[at]
        number |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
    raise DecodeError("the value ends within its message indexes, or they are no numbers")
