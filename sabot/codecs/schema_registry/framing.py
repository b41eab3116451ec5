"""The five bytes before every payload that names its schema: a zero and the id."""

from __future__ import annotations

import struct

from sabot.errors import DecodeError

__all__ = ["PREFIX_BYTES", "frame", "split"]

PREFIX_BYTES = 5
_PREFIX = struct.Struct(">bi")


def frame(schema_id: int) -> bytes:
    r"""Return what stands before a payload of this schema.

    Example:
        >>> frame(258)
        b'\x00\x00\x00\x01\x02'
    """
    return _PREFIX.pack(0, schema_id)


def split(value: bytes) -> tuple[int, int]:
    r"""Return a value's schema id and where its payload begins.

    A protobuf payload begins with message indexes, which belong to that format.

    Raises:
        DecodeError: If the value is not framed.

    Example:
        >>> split(b"\x00\x00\x00\x01\x02rest")
        (258, 5)
        >>> split(b'{"id": 1}')
        Traceback (most recent call last):
        ...
        sabot.errors.DecodeError: the value begins with byte 0x7b, not with the 0x00 of a schema id
    """
    if len(value) < PREFIX_BYTES:
        raise DecodeError(
            f"the value has {len(value)} bytes; a schema id alone takes {PREFIX_BYTES}"
        )
    magic, schema_id = _PREFIX.unpack_from(value)
    if magic:
        raise DecodeError(
            f"the value begins with byte {value[0]:#04x}, not with the 0x00 of a schema id"
        )
    return schema_id, PREFIX_BYTES
