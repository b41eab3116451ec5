"""MessagePack's timestamp (extension type -1), exactly, to and from Arrow.

A Python datetime would cut nanoseconds off and ends with the year 9999, so the extension
is taken apart here: seconds since 1970 and nanoseconds, in 4, 8 or 12 bytes.
"""

from __future__ import annotations

import struct
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.msgpack import Ext

from sabot.codecs.documents.columns import time_array

__all__ = ["extensions", "timestamp_array"]

_CODE = -1
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_BILLION = 1_000_000_000
_LOW_34 = (1 << 34) - 1
_MANY = 256
"""From so many values on, the calls to Arrow cost less than a look at each value."""

_code, _data = attrgetter("code"), attrgetter("data")


def timestamp_array(kind: pa.DataType, values: list[Any]) -> Any:
    """Make timestamps of extensions, ISO 8601 text, or integers that count the unit.

    Raises:
        ValueError: If an extension is no timestamp, or has digits below the unit.
    """
    instants = _alike(kind, values)
    if instants is not None:
        return instants
    others = [None if isinstance(value, Ext) else value for value in values]
    counts = [_count(kind, value) if isinstance(value, Ext) else None for value in values]
    counted = pa.array(counts, pa.int64()).cast(kind)
    if counted.null_count == 0:
        return counted
    return pc.coalesce(counted, time_array(kind, others))


def extensions(array: Any) -> list[Ext | None]:
    """Return instants (timestamps with a time zone) as extensions, with all their digits."""
    per_second = _PER_SECOND[array.type.unit]
    scale = _BILLION // per_second
    return [
        None if count is None else _extension(count // per_second, count % per_second * scale)
        for count in array.cast(pa.int64()).to_pylist()
    ]


def _alike(kind: pa.DataType, values: list[Any]) -> Any:
    """Make timestamps of 8 bytes each at C speed; ``None`` where there is anything else."""
    if len(values) < _MANY:
        return None
    try:
        codes, parts = set(map(_code, values)), list(map(_data, values))
    except AttributeError:
        return None
    if kind.tz is None or codes != {_CODE} or set(map(len, parts)) != {8}:
        return None
    both = pa.array(struct.unpack(f">{len(parts)}Q", b"".join(parts)), pa.uint64())
    seconds = pc.bit_wise_and(both, pa.scalar(_LOW_34, pa.uint64())).cast(pa.int64())
    nanoseconds = pc.shift_right(both, pa.scalar(34, pa.uint64())).cast(pa.int64())
    per_second = _PER_SECOND[kind.unit]
    scale = _BILLION // per_second
    counts = pc.divide(nanoseconds, scale)
    if pc.max(nanoseconds).as_py() >= _BILLION:
        return None
    if not pc.multiply(counts, scale).equals(nanoseconds):
        return None
    return pc.add_checked(pc.multiply_checked(seconds, per_second), counts).cast(kind)


def _count(kind: pa.DataType, value: Ext) -> int:
    if value.code != _CODE:
        raise ValueError(f"extension type {value.code} is no timestamp")
    if kind.tz is None:
        raise ValueError("an instant, and the column's type has no time zone")
    seconds, nanoseconds = _parts(bytes(value.data))
    if nanoseconds >= _BILLION:
        raise ValueError(f"{nanoseconds} nanoseconds are more than a second")
    per_second = _PER_SECOND[kind.unit]
    count, rest = divmod(nanoseconds, _BILLION // per_second)
    if rest:
        raise ValueError(
            f"{nanoseconds} nanoseconds have digits below {kind.unit!r}; pin the type in "
            "codec_options={'schema': ...} to timestamp('ns', 'UTC')"
        )
    return seconds * per_second + count


def _parts(data: bytes) -> tuple[int, int]:
    if len(data) == 8:
        both = int.from_bytes(data, "big")
        return both & _LOW_34, both >> 34
    if len(data) == 4:
        return int.from_bytes(data, "big"), 0
    if len(data) == 12:
        return int.from_bytes(data[4:], "big", signed=True), int.from_bytes(data[:4], "big")
    raise ValueError(f"a timestamp of {len(data)} bytes")


def _extension(seconds: int, nanoseconds: int) -> Ext:
    if not 0 <= seconds <= _LOW_34:
        return Ext(_CODE, nanoseconds.to_bytes(4, "big") + seconds.to_bytes(8, "big", signed=True))
    if nanoseconds or seconds >= 1 << 32:
        return Ext(_CODE, (nanoseconds << 34 | seconds).to_bytes(8, "big"))
    return Ext(_CODE, seconds.to_bytes(4, "big"))
