"""Timestamps, dates and times as ISO 8601 text, as far as there is such text.

Arrow prints what lies beyond as ``<value out of range: …>``, or, with a time zone, as a
date that is another one; neither may be taken for the value.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.documents.unwritable import Unwritable

__all__ = ["as_iso_text"]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY = 86_400
# Text has four digits for the year: 0000-01-01 and the day after 9999-12-31.
_FIRST_DAY, _END_DAY = -719_528, 2_932_897
_BITS = {32: (-(2**31), 2**31 - 1), 64: (-(2**63), 2**63 - 1)}


def as_iso_text(array: Any) -> pa.Array | list[Any]:
    """Return timestamps, dates or times as text with all their digits.

    An instant (a timestamp with a time zone) is written in UTC, with a ``Z``.

    Returns:
        An array of text; or, where a value has no text, a list with an `Unwritable` for
        each of those.

    Example:
        >>> as_iso_text(pa.array([0], pa.timestamp("ms", "Asia/Tokyo"))).to_pylist()
        ['1970-01-01T00:00:00.000Z']
        >>> _, beyond = as_iso_text(pa.array([0, 2_932_897], pa.date32()))
        >>> print(beyond.error)
        2932897 days since 1970 are outside the years 0000 to 9999
    """
    first, end = _bounds(array.type)
    counts = array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
    found = pc.min_max(counts).as_py()
    if found["min"] is None or first <= found["min"] <= found["max"] < end:
        return _text(array)
    low, high = _BITS[array.type.bit_width]
    # What the bits cannot exceed anyway need not be asked for.
    fits = pc.and_(
        pc.greater_equal(counts, pa.scalar(max(first, low), counts.type)),
        pc.less_equal(counts, pa.scalar(min(end - 1, high), counts.type)),
    )
    texts = _text(pc.if_else(fits, array, pa.scalar(None, array.type))).to_pylist()
    return [
        _unwritable(count, array.type) if good is False else text
        for text, good, count in zip(texts, fits.to_pylist(), counts.to_pylist(), strict=True)
    ]


def _text(array: Any) -> Any:
    if not pa.types.is_timestamp(array.type):
        return array.cast(pa.string())
    if array.type.tz is not None:
        # The instant in UTC, which Arrow prints with a Z.
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    return pc.replace_substring(array.cast(pa.string()), pattern=" ", replacement="T")


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    """Return the first count that has text, and the one behind the last."""
    if pa.types.is_date32(kind):
        return _FIRST_DAY, _END_DAY
    if pa.types.is_date64(kind):
        return _FIRST_DAY * _DAY * 1000, _END_DAY * _DAY * 1000
    per_second = _PER_SECOND[kind.unit]
    if pa.types.is_time(kind):
        return 0, _DAY * per_second
    return _FIRST_DAY * _DAY * per_second, _END_DAY * _DAY * per_second


def _unwritable(count: int, kind: pa.DataType) -> Unwritable:
    if pa.types.is_time(kind):
        return Unwritable(ValueError(f"{count} {kind.unit} since midnight are not within a day"))
    unit = "days" if kind == pa.date32() else "ms" if kind == pa.date64() else kind.unit
    return Unwritable(ValueError(f"{count} {unit} since 1970 are outside the years 0000 to 9999"))
