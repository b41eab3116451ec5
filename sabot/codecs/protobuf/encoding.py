"""Columns as the wire form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.conforming import conform, offsets_and_items
from sabot.codecs.protobuf.decoding import SECONDS, has_repeated_keys, per_second
from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.shapes import Member, Shape
from sabot.codecs.protobuf.sources import class_of
from sabot.errors import nearest

__all__ = ["wire_of"]

_NUMBER = re.compile(r"-?\d{1,10}")


def wire_of(columns: pa.RecordBatch, shape: Shape) -> pa.StructArray:
    """Return the wire form of rows; columns that are missing are fields not set.

    Raises:
        ValueError: If a message cannot hold a row, or if rows of such columns.
    """
    rows = conform(_structs(columns), shape.column, "")
    return _message(rows, shape)


def _structs(columns: pa.RecordBatch) -> pa.StructArray:
    if not columns.num_columns:
        return pa.array([{}] * columns.num_rows, pa.struct([]))
    return columns.to_struct_array()


def _message(array: pa.Array, shape: Shape) -> pa.Array:
    mask = array.is_null()
    if not shape.members:
        return array
    children = array.flatten()
    for member, child in zip(shape.members, children, strict=True):
        if member.required and child.null_count > array.null_count:
            raise ValueError(f"the required field {member.name!r} is null")
    for name, positions in shape.oneofs:
        _check_oneof(name, shape, positions, children)
    return pa.StructArray.from_arrays(
        [_member(child, member) for member, child in zip(shape.members, children, strict=True)],
        fields=list(shape.wire),
        mask=mask,
    )


def _check_oneof(name: str, shape: Shape, positions: list[int], children: list[pa.Array]) -> None:
    total = children[positions[0]].is_valid().cast(pa.int16())
    for position in positions[1:]:
        total = pc.add(total, children[position].is_valid().cast(pa.int16()))
    if (pc.max(total).as_py() or 0) > 1:
        names = ", ".join(repr(shape.members[position].name) for position in positions)
        raise ValueError(f"only one of {names} may be set, which are oneof {name!r}")


def _member(array: pa.Array, member: Member) -> pa.Array:
    if member.form == "one":
        return _value(array, member.shape, member.name)
    offsets, items = offsets_and_items(array)
    mask = array.is_null()
    if member.form == "map":
        keys, items = items.flatten()
        if has_repeated_keys(offsets, keys):
            raise ValueError(f"a key occurs twice in the map {member.name!r}")
    if items.null_count:
        raise ValueError(f"field {member.name!r} holds a null, which protobuf has no word for")
    items = _value(items, member.shape, member.name)
    if member.form == "list":
        return pa.ListArray.from_arrays(offsets, items, type=member.wire, mask=mask)
    return pa.MapArray.from_arrays(offsets, keys, items, type=member.wire, mask=mask)


def _value(array: pa.Array, shape: Shape, name: str) -> pa.Array:
    if shape.kind == "message":
        return _message(array, shape)
    convert = _CONVERSIONS.get(shape.kind)
    if convert is None:
        return array
    try:
        return convert(array, shape)
    except ValueError as error:
        raise ValueError(f"field {name!r}: {error}") from None


def _float(array: pa.Array, shape: Shape) -> pa.Array:
    return array.view(shape.wire)


def _enum(array: pa.Array, shape: Shape) -> pa.Array:
    values = shape.descriptor.values_by_name
    numbers = pa.array([value.number for value in values.values()], pa.int32())
    found = numbers.take(pc.index_in(array, pa.array(list(values), pa.string())))
    if found.null_count == array.null_count:
        return found
    texts, known = array.to_pylist(), found.to_pylist()
    return pa.array(
        [
            _enum_number(text, shape) if number is None and text is not None else number
            for text, number in zip(texts, known, strict=True)
        ],
        pa.int32(),
    )


def _enum_number(text: str, shape: Shape) -> int:
    enum = shape.descriptor
    if _NUMBER.fullmatch(text):
        number = int(text)
        known = number in enum.values_by_number
        if known or (not enum.is_closed and -(2**31) <= number < 2**31):
            return number
    names = list(enum.values_by_name)
    raise ValueError(f"enum {enum.full_name!r} has no value {text!r}{nearest(text, names)}")


def _instant(array: pa.Array, shape: Shape) -> pa.Array:
    units = per_second(shape.column)
    counted = array.cast(pa.int64())
    # Arrow divides towards zero, as durations want it; instants want the second before.
    seconds = pc.divide(counted, units)
    rest = pc.subtract(counted, pc.multiply(seconds, units))
    if shape.kind == "timestamp":
        before = pc.less(rest, 0).cast(pa.int64())
        seconds = pc.subtract(seconds, before)
        rest = pc.add(rest, pc.multiply(before, units))
    low, high = SECONDS[shape.kind]
    found = pc.min_max(seconds).as_py()
    if found["min"] is not None and not low <= found["min"] <= found["max"] <= high:
        raise ValueError(
            f"a {shape.kind} of {found['min' if found['min'] < low else 'max']} seconds is outside "
            f"what protobuf can hold: {low} to {high}"
        )
    nanos = pc.multiply(rest, 10**9 // units).cast(pa.int32())
    return pa.StructArray.from_arrays(
        [seconds, nanos], fields=list(shape.wire), mask=array.is_null()
    )


def _wrapper(array: pa.Array, shape: Shape) -> pa.Array:
    inner = _value(array, shape.members[0].shape, "value")
    return pa.StructArray.from_arrays([inner], fields=list(shape.wire), mask=array.is_null())


def _json(array: pa.Array, shape: Shape) -> pa.Array:
    json_format = package("google.protobuf.json_format")
    message = class_of(shape.descriptor)
    found: list[bytes | None] = []
    for text in array.to_pylist():
        try:
            found.append(
                None
                if text is None
                else json_format.Parse(text, message()).SerializeToString(deterministic=True)
            )
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise ValueError(f"the text is no JSON for {shape.descriptor.name}: {error}") from None
    return pa.array(found, pa.binary())


def _bytes(array: pa.Array, shape: Shape) -> pa.Array:
    failure = package("google.protobuf.message").DecodeError
    read: Callable[[Any], Any] = class_of(shape.descriptor).FromString
    for value in array.to_pylist():
        try:
            if value is not None:
                read(value)
        except failure as error:
            raise ValueError(f"the bytes are no {shape.descriptor.full_name!r}: {error}") from None
    return array


_CONVERSIONS: dict[str, Callable[[pa.Array, Shape], pa.Array]] = {
    "float": _float,
    "enum": _enum,
    "timestamp": _instant,
    "duration": _instant,
    "wrapper": _wrapper,
    "json": _json,
    "bytes": _bytes,
}
