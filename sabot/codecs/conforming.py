"""Columns as the types that are wanted, where that loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.errors import nearest

__all__ = ["conform", "offsets_and_items"]


def conform(array: Any, kind: pa.DataType, path: str) -> Any:
    """Return an array as the type that is wanted; structs are matched by name.

    Args:
        array: The array.
        kind: The type.
        path: Where the array stands, for messages.

    Raises:
        ValueError: If a value does not fit, or values of such a type never do.
    """
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_dictionary(array.type):
        return conform(array.dictionary_decode(), kind, path)
    if pa.types.is_struct(kind) and pa.types.is_struct(array.type):
        return _struct(array, kind, path)
    if pa.types.is_map(kind) and pa.types.is_map(array.type):
        return _map(array, kind, path)
    if pa.types.is_list(kind) and _is_list(array.type):
        offsets, items = offsets_and_items(array)
        items = conform(items, kind.value_type, f"{path}[]")
        return pa.ListArray.from_arrays(offsets, items, type=kind, mask=array.is_null())
    if not any(wanted(kind) and given(array.type) for wanted, given in _FAMILIES):
        raise ValueError(f"field {path!r} is {array.type}, but the schema has {kind} for it")
    # An integer as a float is the nearest one, as everywhere.
    nearest_float = pa.types.is_floating(kind) and pa.types.is_integer(array.type)
    try:
        return array.cast(kind, safe=not nearest_float)
    except pa.ArrowException as error:
        raise ValueError(f"field {path!r} does not fit {kind}: {error}") from None


def offsets_and_items(array: Any) -> tuple[Any, Any]:
    """Return the offsets and items of lists or of maps, as if they stood alone."""
    if pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    if pa.types.is_map(array.type):
        entries = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
        array = pa.ListArray.from_arrays(pc.add(array.offsets, 0), entries, mask=array.is_null())
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths).cast(pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), ends]), array.flatten()


def _struct(array: Any, kind: pa.DataType, path: str) -> Any:
    names = [field.name for field in kind]
    children = dict(zip([field.name for field in array.type], array.flatten(), strict=True))
    for name in children:
        if name not in names:
            where = f"field {path!r}" if path else "the schema"
            raise ValueError(f"{where} has no field {name!r}, only {names!r}{nearest(name, names)}")
    if not names:
        return pa.array([{} if v else None for v in array.is_valid().to_pylist()], kind)
    return pa.StructArray.from_arrays(
        [
            pa.nulls(len(array), field.type)
            if field.name not in children
            else conform(
                children[field.name], field.type, f"{path}.{field.name}" if path else field.name
            )
            for field in kind
        ],
        fields=list(kind),
        mask=array.is_null(),
    )


def _map(array: Any, kind: pa.DataType, path: str) -> Any:
    offsets, entries = offsets_and_items(array)
    keys, items = entries.flatten()
    return pa.MapArray.from_arrays(
        offsets,
        conform(keys, kind.key_type, f"{path}{{}}"),
        conform(items, kind.item_type, f"{path}{{}}"),
        type=kind,
        mask=array.is_null(),
    )


def _is_list(kind: pa.DataType) -> bool:
    return any(
        check(kind)
        for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )


def _is_number(kind: pa.DataType) -> bool:
    return any(
        check(kind) for check in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return any(
        check(kind)
        for check in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


_Check = Callable[[pa.DataType], bool]
_FAMILIES: tuple[tuple[_Check, _Check], ...] = (
    (_is_number, _is_number),
    (_is_text, _is_text),
    (_is_bytes, _is_bytes),
    (_is_time, _is_time),
    (pa.types.is_duration, pa.types.is_duration),
)
