"""Arrow arrays as the Python values that documents are written from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from sabot.codecs.documents.iso import as_iso_text
from sabot.codecs.documents.unwritable import Unwritable

__all__ = ["Cells", "Conversion", "is_constant"]

Check = Callable[[Any], bool]
Conversion = tuple[Check, Callable[[Any], Any]]
"""For types the check is true of: the array as one of a plainer type, or as a list."""


class Cells:
    """Makes Python values of arrays.

    Args:
        conversions: What a format writes in another form, tried in this order before
            Arrow's own Python values are taken.
    """

    def __init__(self, conversions: Sequence[Conversion] = ()) -> None:
        self._conversions = (*conversions, *_SHARED)

    def __call__(self, array: Any) -> list[Any]:
        """Return one Python value for each row, an `Unwritable` where none can be written."""
        kind = array.type
        if _plain(kind):
            return _values(array)
        if pa.types.is_struct(kind):
            return self._objects(array)
        if pa.types.is_map(kind):
            return self._maps(array)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return self._lists(array)
        for check, convert in self._conversions:
            if check(kind):
                converted = convert(array)
                return converted if isinstance(converted, list) else self(converted)
        return _values(array)

    def _objects(self, array: Any) -> list[Any]:
        names = [field.name for field in array.type]
        columns = [self(column) for column in array.flatten()]
        rows: Iterator[tuple[Any, ...]] = zip(*columns, strict=True)
        return [
            dict(zip(names, row, strict=True)) if valid else None
            for valid, row in zip(array.is_valid().to_pylist(), rows, strict=True)
        ]

    def _maps(self, array: Any) -> list[Any]:
        spans = list(pairwise(array.offsets.to_pylist()))
        first, last = (spans[0][0], spans[-1][1]) if spans else (0, 0)
        keys = self(array.keys.slice(first, last - first))
        items = self(array.items.slice(first, last - first))
        return [
            dict(zip(keys[a - first : b - first], items[a - first : b - first], strict=True))
            if valid
            else None
            for valid, (a, b) in zip(array.is_valid().to_pylist(), spans, strict=True)
        ]

    def _lists(self, array: Any) -> list[Any]:
        spans = list(pairwise(array.offsets.to_pylist()))
        first, last = (spans[0][0], spans[-1][1]) if spans else (0, 0)
        items = self(array.values.slice(first, last - first))
        return [
            items[a - first : b - first] if valid else None
            for valid, (a, b) in zip(array.is_valid().to_pylist(), spans, strict=True)
        ]


def is_constant(column: pa.Array) -> bool:
    """Say whether all values are written alike; false where it is dear to tell."""
    kind = column.type
    if kind.num_fields or pa.types.is_floating(kind):
        # Arrow calls 0.0 and -0.0 equal.
        return False
    return bool(column.slice(1).equals(column.slice(0, max(len(column) - 1, 0))))


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
_WRITTEN_AS_TEXT = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_time)
_SHARED: tuple[Conversion, ...] = (
    (lambda kind: any(check(kind) for check in _WRITTEN_AS_TEXT), as_iso_text),
    (pa.types.is_duration, _as(pa.int64())),
    (pa.types.is_float16, _as(pa.float32())),
    (pa.types.is_dictionary, lambda array: array.dictionary_decode()),
    (pa.types.is_fixed_size_list, lambda array: array.cast(pa.list_(array.type.value_type))),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), lambda array: array.storage),
)
"""What no format writes as it is."""
