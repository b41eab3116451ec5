"""Arrow arrays as the Python values that JSON is written from.

================  ====================================================================
the column's type  is written as
================  ====================================================================
float, NaN or ±inf  ``null``: JSON has no word for it
decimal           a number with all its digits
timestamp         ISO 8601 text with all its digits; with ``Z`` where it has a time zone
date, time        ISO 8601 text
duration          an integer that counts its unit
binary            base64 text
map               an object
dictionary        its values
================  ====================================================================

Decoding under a pinned schema of the same types reads all of these back as they were,
except that NaN and the infinities stay null, and except for times and durations, which
cannot be pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Unwritable", "cells"]


class Unwritable:
    """Stands for a value that no JSON can be made of; writing it raises TypeError."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def cells(array: Any) -> list[Any]:
    """Return one Python value for each row, an `Unwritable` where there is none."""
    kind = array.type
    if _plain(kind):
        return _values(array)
    if pa.types.is_struct(kind):
        return _objects(array)
    if pa.types.is_map(kind):
        return _maps(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(array)
    for check, convert in _CONVERSIONS:
        if check(kind):
            return cells(convert(array))
    return _values(array)


def _plain(kind: pa.DataType) -> bool:
    """Say whether Arrow's own Python values are right, for the type and all within."""
    if pa.types.is_struct(kind):
        return all(_plain(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _plain(kind.value_type)
    return any(check(kind) for check in _PLAIN)


def _values(array: Any) -> list[Any]:
    try:
        return list(array.to_pylist())
    except (pa.ArrowException, ValueError, OverflowError):
        return [_value(scalar) for scalar in array]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        return Unwritable(error)


def _objects(array: Any) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [cells(column) for column in array.flatten()]
    rows: Iterator[tuple[Any, ...]] = zip(*columns, strict=True)
    return [
        dict(zip(names, row, strict=True)) if valid else None
        for valid, row in zip(array.is_valid().to_pylist(), rows, strict=True)
    ]


def _maps(array: Any) -> list[Any]:
    spans = list(pairwise(array.offsets.to_pylist()))
    first, last = (spans[0][0], spans[-1][1]) if spans else (0, 0)
    keys = cells(array.keys.slice(first, last - first))
    items = cells(array.items.slice(first, last - first))
    return [
        dict(zip(keys[a - first : b - first], items[a - first : b - first], strict=True))
        if valid
        else None
        for valid, (a, b) in zip(array.is_valid().to_pylist(), spans, strict=True)
    ]


def _lists(array: Any) -> list[Any]:
    spans = list(pairwise(array.offsets.to_pylist()))
    first, last = (spans[0][0], spans[-1][1]) if spans else (0, 0)
    items = cells(array.values.slice(first, last - first))
    return [
        items[a - first : b - first] if valid else None
        for valid, (a, b) in zip(array.is_valid().to_pylist(), spans, strict=True)
    ]


def _iso(array: Any) -> Any:
    kind = array.type
    if kind.tz is not None:
        # The instant in UTC, which Arrow prints with a Z.
        array = array.cast(pa.timestamp(kind.unit, "UTC"))
    return pc.replace_substring(array.cast(pa.string()), pattern=" ", replacement="T")


def _as(kind: pa.DataType) -> Callable[[Any], Any]:
    return lambda array: array.cast(kind)


_PLAIN = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_decimal,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)
_CONVERSIONS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_timestamp, _iso),
    (pa.types.is_date, _as(pa.string())),
    (pa.types.is_time, _as(pa.string())),
    (pa.types.is_duration, _as(pa.int64())),
    (pa.types.is_float16, _as(pa.float32())),
    (pa.types.is_dictionary, lambda array: array.dictionary_decode()),
    (pa.types.is_fixed_size_list, lambda array: array.cast(pa.list_(array.type.value_type))),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), lambda array: array.storage),
)
