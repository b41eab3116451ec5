"""The wire form as columns, and what makes a batch doubtful.

A decoder that goes by columns sees no message as a whole. Where a message could mean
something else than its columns say (two fields of one oneof, a key twice in a map), or is
wrong (a required field is missing, a time outside its range), `Doubtful` is raised for the
whole batch, and the caller looks at its messages one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.shapes import Member, Shape
from sabot.codecs.protobuf.sources import class_of

__all__ = [
    "MAX_NANOS",
    "SECONDS",
    "Doubtful",
    "columns_of",
    "has_repeated_keys",
    "json_writer",
    "per_second",
]

SECONDS = {
    "timestamp": (-62_135_596_800, 253_402_300_799),
    "duration": (-315_576_000_000, 315_576_000_000),
}
"""How many seconds each may hold: the years 1 to 9999, and ten thousand years each way."""
MAX_NANOS = 999_999_999

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Doubtful(ValueError):  # noqa: N818 - no fault yet, a reason to look closely
    """A batch of messages cannot be told by its columns alone."""


def per_second(kind: pa.DataType) -> int:
    """Return how many of a type's units make a second."""
    return _UNITS[kind.unit]


def columns_of(rows: pa.StructArray, shape: Shape, schema: pa.Schema) -> pa.RecordBatch:
    """Return the columns of messages in wire form.

    Args:
        rows: The messages.
        shape: Their shape.
        schema: The columns of such a shape, made once.

    Raises:
        Doubtful: If a message has to be looked at by itself.
    """
    if not shape.members:
        # Without columns only a struct array knows how many rows there are.
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    return pa.RecordBatch.from_arrays(_members(rows, shape), schema=schema)


def has_repeated_keys(offsets: pa.Array, keys: pa.Array) -> bool:
    """Say whether a map of these has a key twice."""
    entries = pa.ListArray.from_arrays(offsets, keys)
    if (pc.max(pc.list_value_length(entries)).as_py() or 0) < 2:
        return False
    pairs = pa.table({"row": pc.list_parent_indices(entries), "key": entries.flatten()})
    return bool(pairs.group_by(["row", "key"]).aggregate([]).num_rows < pairs.num_rows)


def _members(rows: pa.StructArray, shape: Shape) -> list[pa.Array]:
    children = rows.flatten()
    for member, child in zip(shape.members, children, strict=True):
        if member.required and child.null_count > rows.null_count:
            raise Doubtful(f"the required field {member.name!r} is missing")
    for name, positions in shape.oneofs:
        _check_oneof(name, [children[position] for position in positions])
    return [_member(child, member) for member, child in zip(shape.members, children, strict=True)]


def _check_oneof(name: str, children: list[pa.Array]) -> None:
    total = children[0].is_valid().cast(pa.int16())
    for child in children[1:]:
        total = pc.add(total, child.is_valid().cast(pa.int16()))
    if (pc.max(total).as_py() or 0) > 1:
        raise Doubtful(f"more than one field of oneof {name!r} is set")


def _member(array: pa.Array, member: Member) -> pa.Array:
    if member.form == "one":
        return _value(array, member.shape)
    mask = array.is_null() if array.null_count else None
    if member.form == "list":
        items = _value(array.values, member.shape)
        return pa.ListArray.from_arrays(array.offsets, items, type=member.column, mask=mask)
    if has_repeated_keys(array.offsets, array.keys):
        raise Doubtful(f"a key occurs twice in the map {member.name!r}")
    if array.items.null_count:
        # It stands for the value's default, which is not null.
        raise Doubtful(f"an entry of the map {member.name!r} has no value")
    items = _value(array.items, member.shape)
    return pa.MapArray.from_arrays(array.offsets, array.keys, items, type=member.column, mask=mask)


def _value(array: pa.Array, shape: Shape) -> pa.Array:
    convert = _CONVERSIONS.get(shape.kind)
    return array if convert is None else convert(array, shape)


def _float(array: pa.Array, shape: Shape) -> pa.Array:
    return array.view(shape.column)


def _enum(array: pa.Array, shape: Shape) -> pa.Array:
    values = shape.descriptor.values_by_number
    names = pa.array([value.name for value in values.values()], pa.string())
    found = names.take(pc.index_in(array, pa.array(list(values), pa.int32())))
    if found.null_count == array.null_count:
        return found
    if shape.descriptor.is_closed:
        raise Doubtful(f"a value of enum {shape.descriptor.full_name!r} is unknown")
    return pc.coalesce(found, array.cast(pa.string()))


def _instant(array: pa.Array, shape: Shape) -> pa.Array:
    seconds, nanos = array.flatten()
    low, high = SECONDS[shape.kind]
    _check_range(seconds, low, high, shape.kind)
    _check_range(nanos, 0 if shape.kind == "timestamp" else -MAX_NANOS, MAX_NANOS, shape.kind)
    if shape.kind == "duration" and _signs_differ(seconds, nanos):
        raise Doubtful("a duration's seconds and nanos have different signs")
    units = per_second(shape.column)
    fraction = pc.divide(nanos.cast(pa.int64()), pa.scalar(10**9 // units, pa.int64()))
    try:
        total = pc.add_checked(pc.multiply_checked(seconds, units), fraction)
    except pa.ArrowInvalid:
        raise Doubtful(f"a {shape.kind} does not fit {shape.column}") from None
    return total.cast(shape.column)


def _check_range(array: pa.Array, low: int, high: int, what: str) -> None:
    found = pc.min_max(array).as_py()
    if found["min"] is not None and not low <= found["min"] <= found["max"] <= high:
        raise Doubtful(f"a {what} is outside its range")


def _signs_differ(seconds: pa.Array, nanos: pa.Array) -> bool:
    product = pc.multiply(pc.sign(seconds), pc.sign(nanos))
    return bool((pc.min(product).as_py() or 0) < 0)


def _wrapper(array: pa.Array, shape: Shape) -> pa.Array:
    (inner,) = array.flatten()
    return _value(inner, shape.members[0].shape)


def _bytes(array: pa.Array, shape: Shape) -> pa.Array:
    """Write messages anew, so that they are messages, and equal ones equal."""
    if array.null_count == len(array):
        return array
    read = class_of(shape.descriptor).FromString
    failure = package("google.protobuf.message").DecodeError
    found: list[bytes | None] = []
    for value in array.to_pylist():
        try:
            message = None if value is None else read(value)
        except failure as error:
            raise Doubtful(f"a {shape.descriptor.name} cannot be parsed: {error}") from None
        found.append(_written(message))
    return pa.array(found, pa.binary())


def _written(message: Any) -> bytes | None:
    if message is None:
        return None
    message.DiscardUnknownFields()
    written: bytes = message.SerializePartialToString(deterministic=True)
    return written


def _json(array: pa.Array, shape: Shape) -> pa.Array:
    if array.null_count == len(array):
        return pa.nulls(len(array), pa.string())
    read, write = class_of(shape.descriptor).FromString, json_writer()
    try:
        texts = [None if value is None else write(read(value)) for value in array.to_pylist()]
    except Exception as error:  # noqa: BLE001 - its errors have no common root
        raise Doubtful(f"a {shape.descriptor.name} cannot be told as JSON: {error}") from None
    return pa.array(texts, pa.string())


def json_writer() -> Callable[[Any], str]:
    """Return what makes JSON text of a message."""
    json_format = package("google.protobuf.json_format")

    def write(message: Any) -> str:
        text: str = json_format.MessageToJson(
            message, indent=None, sort_keys=True, ensure_ascii=False
        )
        return text

    return write


def _message(array: pa.Array, shape: Shape) -> pa.Array:
    fields = list(shape.column)
    mask = array.is_null() if array.null_count else None
    if not fields:
        return pa.array(
            [{} if valid else None for valid in array.is_valid().to_pylist()], shape.column
        )
    return pa.StructArray.from_arrays(_members(array, shape), fields=fields, mask=mask)


_CONVERSIONS: dict[str, Callable[[pa.Array, Shape], pa.Array]] = {
    "float": _float,
    "enum": _enum,
    "timestamp": _instant,
    "duration": _instant,
    "wrapper": _wrapper,
    "bytes": _bytes,
    "json": _json,
    "message": _message,
}
