"""What stands before a message: the schema id and the message indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.codec import Failure
from sabot.codecs.protobuf.indexes import read_indexes
from sabot.codecs.schema_registry import split
from sabot.errors import DecodeError

__all__ = ["by_head", "cut", "cut_alike"]

# Without an end Arrow's slice counts beyond what 32 bits hold.
_END = 2**30
_MANY = 256
"""From so many records on, the calls to Arrow cost less than a look at each record."""


def cut(value: bytes) -> tuple[bytes, bytes]:
    r"""Cut a record into what names its message, and the message.

    Raises:
        DecodeError: If it is not framed.

    Example:
        >>> cut(b"\x00\x00\x00\x00\x07\x00rest")
        (b'\x00\x00\x00\x00\x07\x00', b'rest')
    """
    _, start = split(value)
    _, start = read_indexes(value, start)
    return value[:start], value[start:]


def cut_alike(values: Sequence[bytes | None]) -> tuple[bytes, list[bytes] | pa.BinaryArray] | None:
    r"""Cut records that all begin like the first one, which most batches are.

    Arrow looks at many and cuts them in a fraction of the time that a look at each takes.

    Returns:
        What names the message, and the messages; ``None`` where a record begins otherwise,
        is not framed or is a tombstone.

    Example:
        >>> head = b"\x00\x00\x00\x00\x07\x00"
        >>> cut_alike([head + b"a", head + b"bc"])
        (b'\x00\x00\x00\x00\x07\x00', [b'a', b'bc'])
    """
    if not values or values[0] is None:
        return None
    try:
        head, _ = cut(values[0])
    except DecodeError:
        return None
    if len(values) < _MANY:
        found = [value[len(head) :] for value in values if value and value.startswith(head)]
        return (head, found) if len(found) == len(values) else None
    array = pa.array(values, pa.binary())
    # More than 2 GB are several arrays.
    if isinstance(array, pa.ChunkedArray) or array.null_count:
        return None
    if not pc.all(pc.starts_with(array, head)).as_py():
        return None
    return head, pc.binary_slice(array, len(head), _END)


def by_head(
    values: Sequence[bytes | None], failures: list[Failure]
) -> Mapping[bytes, tuple[list[int], list[bytes]]]:
    """Sort records by what names their message; those that are not framed become failures.

    Returns:
        For each head the numbers of its records, and their messages.
    """
    heads: dict[bytes, tuple[list[int], list[bytes]]] = {}
    for number, value in enumerate(values):
        if value is None:
            continue
        # Five bytes and a zero, the shorthand for the first message, are a head of six.
        known = heads.get(value[:6])
        if known is None:
            try:
                head, payload = cut(value)
            except DecodeError as error:
                failures.append(Failure(number, error))
                continue
            known = heads.setdefault(head, ([], []))
        else:
            payload = value[6:]
        known[0].append(number)
        known[1].append(payload)
    return heads
