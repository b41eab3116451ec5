"""Members added to MessagePack maps that are bytes already.

A map begins with the number of its members; that number is rewritten, the members that
are there stay as they are, and the added ones follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded
from sabot.codecs.documents.cells import is_constant
from sabot.codecs.msgpack.maps import EMPTY_MAP, MAPS, write

__all__ = ["extend_maps"]

_members = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode

_FIX, _MAP_16, _MAP_32 = 0x80, 0xDE, 0xDF
_MOST_FIX, _MOST_16 = 15, 0xFFFF


def extend_maps(
    values: Sequence[bytes | None], added: pa.RecordBatch, *, replace: bool
) -> Encoded | None:
    """Append the members of ``added``, one row for each value.

    Args:
        values: Maps; a tombstone becomes a map of the added members.
        added: The new members. None of them may be a member already, or, with
            ``replace``, those that are make place.
        replace: Whether to look for members of the same name.

    Returns:
        ``None`` where a value is no map.
    """
    count = added.num_columns
    if count == 0:
        return Encoded(list(values))
    if replace:
        values = _without(values, added.schema.names)
    constant = all(map(is_constant, added.columns))
    encoded = MAPS.columns(added.slice(0, 1) if constant else added)
    if constant and encoded.failures:
        constant, encoded = False, MAPS.columns(added)
    skip = len(_header(count))
    members: Iterable[bytes] = [value[skip:] for value in encoded.values if value is not None]
    if constant:
        members = repeat(next(iter(members), b""), len(values))
    refused = {failure.index for failure in encoded.failures}
    kept = [value for index, value in enumerate(values) if index not in refused]
    maps = _append(kept, members, count)
    return None if maps is None else Encoded(maps, encoded.failures)


def _append(
    values: Sequence[bytes | None], members: Iterable[bytes], count: int
) -> list[bytes] | None:
    # Most maps have few members, and the first byte tells how many.
    heads = {_FIX + size: _header(size + count) for size in range(_MOST_FIX + 1)}
    try:
        return [
            heads[value[0]] + value[1:] + more
            if value and value[0] in heads
            else _with_header(value, count) + more
            for value, more in zip(values, members, strict=True)
        ]
    except ValueError:
        return None


def _with_header(value: bytes | None, count: int) -> bytes:
    """Return a map's bytes that announce so many more members."""
    value = EMPTY_MAP if value is None else value
    first = value[0] if value else None
    if first == _MAP_16:
        return _header(int.from_bytes(value[1:3], "big") + count) + value[3:]
    if first == _MAP_32:
        return _header(int.from_bytes(value[1:5], "big") + count) + value[5:]
    if first is None or not _FIX <= first <= _FIX + _MOST_FIX:
        raise ValueError(value)
    return _header(first - _FIX + count) + value[1:]


def _header(size: int) -> bytes:
    """Return the beginning of a map of so many members."""
    if size <= _MOST_FIX:
        return bytes([_FIX + size])
    if size <= _MOST_16:
        return bytes([_MAP_16]) + size.to_bytes(2, "big")
    return bytes([_MAP_32]) + size.to_bytes(4, "big")


def _without(values: Sequence[bytes | None], names: Sequence[str]) -> list[bytes | None]:
    """Remove members by name; bytes stay as they are where there is none."""
    kept = list(values)
    for token in [name.encode() for name in names]:
        for index in [i for i, value in enumerate(kept) if value and token in value]:
            kept[index] = _without_one(kept[index], names)
    return kept


def _without_one(value: bytes | None, names: Sequence[str]) -> bytes | None:
    members: dict[str, Any] = _members(value or EMPTY_MAP)
    if not any(name in members for name in names):
        return value
    return write({name: raw for name, raw in members.items() if name not in names})
