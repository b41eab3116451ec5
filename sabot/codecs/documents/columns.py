"""Documents, decoded into structs, as Arrow arrays: one column at a time.

A column's values are fetched by one C loop and handed to Arrow with their type, which
costs a third of building a dict per row. Only objects, and lists and maps that hold them,
are taken apart in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.documents.names import original
from sabot.codecs.documents.struct import attribute, is_list

__all__ = ["BLANK", "ArrayBuilder", "LeafBuilder", "array_builder", "leaf_builder", "time_array"]

ArrayBuilder = Callable[[list[Any]], Any]
"""Makes an Arrow array of one column's values; raises what Arrow raises for a misfit."""

LeafBuilder = Callable[[pa.DataType], ArrayBuilder]
"""Returns what makes arrays of a type that holds no others."""


class _Blank:
    """An object whose every field is null."""

    __slots__ = ()

    def __getattr__(self, name: str) -> None:
        return None


BLANK = _Blank()
"""Stands where there is no document, so that its fields can be asked for all the same."""


def array_builder(kind: pa.DataType, leaf: LeafBuilder, *, odd_names: bool = False) -> ArrayBuilder:
    """Return what makes arrays of this type.

    Args:
        kind: The column's type.
        leaf: The format's own builders, for what holds no other values.
        odd_names: Whether keys are stand-ins, which maps must undo.
    """
    if pa.types.is_struct(kind):
        return _struct_builder(kind, leaf, odd_names)
    if pa.types.is_map(kind):
        return partial(
            _map_array, kind, array_builder(kind.item_type, leaf, odd_names=odd_names), odd_names
        )
    if is_list(kind):
        return _list_builder(kind, leaf, odd_names)
    return leaf(kind)


def leaf_builder(kind: pa.DataType) -> ArrayBuilder:
    """Return what makes arrays of scalars as JSON has them."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return partial(_text_array, kind)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return partial(time_array, kind)
    return partial(pa.array, type=kind)


def _struct_builder(kind: pa.DataType, leaf: LeafBuilder, odd_names: bool) -> ArrayBuilder:
    fields = list(kind)
    if not fields:
        return lambda values: pa.array([None if v is None else {} for v in values], kind)
    members = [
        (attrgetter(attribute(number)), array_builder(field.type, leaf, odd_names=odd_names))
        for number, field in enumerate(fields)
    ]

    def build(values: list[Any]) -> Any:
        missing = [value is None for value in values]
        rows = [BLANK if value is None else value for value in values]
        return pa.StructArray.from_arrays(
            [make(list(map(fetch, rows))) for fetch, make in members],
            fields=fields,
            mask=pa.array(missing, pa.bool_()),
        )

    return build


def _list_builder(kind: pa.DataType, leaf: LeafBuilder, odd_names: bool) -> ArrayBuilder:
    make = array_builder(kind.value_type, leaf, odd_names=odd_names)
    if isinstance(make, partial) and make.func is pa.array:
        return partial(pa.array, type=kind)
    return partial(_list_array, kind, make)


def _list_array(kind: pa.DataType, make: ArrayBuilder, values: list[Any]) -> Any:
    items = make(list(chain.from_iterable(filter(None, values))))
    form = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    return form.from_arrays(_offsets(kind, values), items, type=kind, mask=_missing(values))


def _map_array(kind: pa.DataType, make: ArrayBuilder, odd_names: bool, values: list[Any]) -> Any:
    entries = list(filter(None, values))
    keys = list(chain.from_iterable(entries))
    items = make(list(chain.from_iterable(entry.values() for entry in entries)))
    return pa.MapArray.from_arrays(
        _offsets(kind, values),
        pa.array(map(original, keys) if odd_names else keys, kind.key_type),
        items,
        type=kind,
        mask=_missing(values),
    )


def _offsets(kind: pa.DataType, values: Sequence[Any]) -> Any:
    lengths = (len(value) if value else 0 for value in values)
    wide = pa.types.is_large_list(kind)
    return pa.array(list(accumulate(lengths, initial=0)), pa.int64() if wide else pa.int32())


def _missing(values: Sequence[Any]) -> Any:
    return pa.array([value is None for value in values], pa.bool_())


def _text_array(kind: pa.DataType, values: list[Any]) -> Any:
    try:
        return pa.array(values, kind)
    except pa.ArrowTypeError:
        return pa.array([str(v) if isinstance(v, int) else v for v in values], kind)


def time_array(kind: pa.DataType, values: list[Any]) -> Any:
    """Read ISO 8601 text, or integers that count the column's own unit since 1970.

    Arrow parses the text, since a Python datetime would cut nanoseconds off.
    """
    numbers = [v if isinstance(v, int) else None for v in values]
    texts = [v if isinstance(v, str) else None for v in values]
    storage = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    counted = pa.array(numbers, storage).cast(kind)
    if counted.null_count == 0:
        return counted
    return pc.coalesce(pa.array(texts, pa.string()).cast(kind), counted)
