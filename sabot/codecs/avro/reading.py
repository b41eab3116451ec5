"""What arrays from the wire mean, and how one schema's records are read by another's.

The writer's schema says what is on the wire, the reader's which columns there are. Fields
meet by name or by the reader's aliases; what only the writer has is left out, what only
the reader has is filled with its default. Names of records and enums need not agree
unless a union has several of them. Numbers widen from int to long, float and double,
strings and bytes turn into each other; a value of one branch is read by the first branch
that takes it. Between two logical types the value counts and not the number it is
written as: milliseconds are turned into microseconds.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.avro import rows
from sabot.codecs.avro.columns import UUID_TEXT, arrow_type, branch_fields, primitive_type
from sabot.codecs.avro.defaults import wire_default
from sabot.codecs.avro.schema import Field, Node
from sabot.codecs.avro.spans import span
from sabot.codecs.avro.texts import as_bytes
from sabot.errors import DecodeError

__all__ = ["Convert", "Make", "column_makers", "reader"]

Convert = Callable[[Any, Any], Any]
"""Makes the reader's array of the wire's.

Its second argument says which values there are, where the others are no nulls but filled
places: of a struct that is null, of another branch.
"""

Make = Callable[[Sequence[Any], Any, int], Any]
"""Makes a column: of the wire's arrays, of which values there are, and of their number."""

_WIDENS = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


def column_makers(writer: Node, wanted: Node, *, lenient: bool) -> list[Make]:
    """Return what makes each column of ``wanted`` from the fields of ``writer``.

    The fields may be slices of those that were read.

    Args:
        writer: The record that was written.
        wanted: The record to read.
        lenient: Whether a field that is not there and has no default is null.

    Raises:
        DecodeError: If it cannot be read so.
    """
    return _fields(writer, wanted, lenient=lenient, where="")


def reader(writer: Node, wanted: Node, where: str, *, lenient: bool = False) -> Convert:
    """Return what reads one type as another.

    Raises:
        DecodeError: If it cannot be; ``where`` names the field.
    """
    if writer.kind == "union" or wanted.kind == "union":
        return _union(writer, wanted, where, lenient=lenient)
    if writer.kind != wanted.kind and wanted.kind not in _WIDENS.get(writer.kind, ()):
        raise DecodeError(
            f"field {where!r} was written as {writer.label!r} and cannot be read as "
            f"{wanted.label!r}"
        )
    if writer.kind == "record":
        return _record(writer, wanted, where, lenient=lenient)
    if writer.kind == "enum":
        return _enum(writer, wanted, where)
    if writer.items is not None and wanted.items is not None:
        return _container(writer.kind, reader(writer.items, wanted.items, where, lenient=lenient))
    if writer.kind == "fixed" and writer.size != wanted.size:
        raise DecodeError(
            f"field {where!r} was written with {writer.size} bytes and cannot be read with "
            f"{wanted.size}"
        )
    return _scalar(writer, wanted, where)


# --- records ------------------------------------------------------------------------


def _fields(writer: Node, wanted: Node, *, lenient: bool, where: str) -> list[Make]:
    positions = {field.name: number for number, field in enumerate(writer.fields)}
    return [
        _field(writer, positions, field, f"{where}.{field.name}".lstrip("."), lenient=lenient)
        for field in wanted.fields
    ]


def _field(
    writer: Node, positions: dict[str, int], field: Field, where: str, *, lenient: bool
) -> Make:
    names = (field.name, *field.aliases)
    position = next((positions[name] for name in names if name in positions), None)
    if position is not None:
        convert = reader(writer.fields[position].node, field.node, where, lenient=lenient)
        return lambda found, alive, _count: convert(found[position], alive)
    kind = arrow_type(field.node)
    if not field.default:
        if not lenient:
            raise DecodeError(f"field {where!r} is not in what was written, and has no default")
        return lambda _found, _alive, count: pa.nulls(count, kind)
    default = rows.build(field.node, [wire_default(field.node, field.default[0], where)])
    scalar = reader(field.node, field.node, where)(default, None)[0]
    return lambda _found, _alive, count: pa.repeat(scalar, count)


def _record(writer: Node, wanted: Node, where: str, *, lenient: bool) -> Convert:
    makers = _fields(writer, wanted, lenient=lenient, where=where)
    fields = list(arrow_type(wanted))

    def convert(array: Any, alive: Any) -> Any:
        found = [array.field(number) for number in range(array.type.num_fields)]
        inner = _both(alive, array)
        children = [make(found, inner, len(array)) for make in makers]
        nulls = array.is_null()
        if not children:
            return pa.array(
                [{} if ok else None for ok in array.is_valid().to_pylist()], pa.struct([])
            )
        return pa.StructArray.from_arrays(children, fields=fields, mask=nulls)

    return convert


def _both(alive: Any, array: Any) -> Any:
    if array.null_count == 0:
        return alive
    return array.is_valid() if alive is None else pc.and_(alive, array.is_valid())


# --- containers ---------------------------------------------------------------------


def _container(kind: str, convert: Convert) -> Convert:
    def lists(array: Any, _alive: Any) -> Any:
        offsets, first, count = span(array)
        items = convert(array.values.slice(first, count), None)
        return pa.ListArray.from_arrays(
            offsets, items, type=pa.list_(items.type), mask=_mask(array)
        )

    def maps(array: Any, _alive: Any) -> Any:
        offsets, first, count = span(array)
        keys = as_bytes(array.keys.slice(first, count)).cast(pa.string())
        items = convert(array.items.slice(first, count), None)
        return pa.MapArray.from_arrays(offsets, keys, items, mask=_mask(array))

    return lists if kind == "array" else maps


def _mask(array: Any) -> Any:
    return array.is_null() if array.null_count else None


# --- unions -------------------------------------------------------------------------


def _union(writer: Node, wanted: Node, where: str, *, lenient: bool) -> Convert:
    written = writer.branches if writer.kind == "union" else (writer,)
    readable = wanted.branches if wanted.kind == "union" else (wanted,)
    routes: list[tuple[int, Convert] | DecodeError] = []
    for branch in written:
        try:
            routes.append(_route(branch, readable, where, lenient=lenient))
        except DecodeError as error:
            routes.append(error)
    refusals = [route for route in routes if isinstance(route, DecodeError)]
    if len(refusals) == len(routes):
        raise refusals[0]

    def convert(array: Any, alive: Any) -> Any:
        taken: dict[int, Any] = {}
        for (chosen, found), route in zip(_parts(writer, array, alive), routes, strict=True):
            if isinstance(route, DecodeError):
                if pc.any(chosen).as_py():
                    raise route
                continue
            number, read = route
            made = read(found, chosen)
            before = taken.get(number)
            if before is None and len(routes) == 1:
                taken[number] = made
                continue
            if before is None:
                before = pa.nulls(len(made), made.type)
            taken[number] = pc.if_else(chosen, made, before)
        return _joined(wanted, taken, len(array))

    return _direct(writer, wanted, routes) or convert


def _direct(
    writer: Node, wanted: Node, routes: Sequence[tuple[int, Convert] | DecodeError]
) -> Convert | None:
    """Return a shorter way for what is just nullable on both sides, or becomes so."""
    if wanted.optional is None or not (writer.optional or writer.kind != "union"):
        return None
    for branch, route in zip(writer.branches or (writer,), routes, strict=True):
        if branch.kind != "null":
            if isinstance(route, DecodeError) or wanted.branches[route[0]].kind == "null":
                return None
            return route[1]
    return None


def _route(
    branch: Node, readable: Sequence[Node], where: str, *, lenient: bool
) -> tuple[int, Convert]:
    """Return the branch that reads a branch: the same type first, then any that takes it."""

    def rank(number: int) -> int:
        other = readable[number]
        if branch.kind != other.kind:
            return 2
        short = {name.rpartition(".")[2] for name in (other.name, *other.aliases)}
        return 0 if branch.name.rpartition(".")[2] in short else 1

    refusal: DecodeError | None = None
    for number in sorted(range(len(readable)), key=rank):
        try:
            return number, reader(branch, readable[number], where, lenient=lenient)
        except DecodeError as error:
            refusal = refusal or error
    raise refusal or DecodeError(f"field {where!r} is a union of nothing")


def _parts(writer: Node, array: Any, alive: Any) -> list[tuple[Any, Any]]:
    """Return, for each branch of what was written, which rows have it, and its array."""
    everywhere = pa.repeat(pa.scalar(True), len(array)) if alive is None else alive
    if writer.kind != "union":
        return [(everywhere, array)]
    if writer.optional is not None:
        valid = array.is_valid()
        null = (pc.and_(everywhere, pc.invert(valid)), pa.nulls(len(array)))
        value = (pc.and_(everywhere, valid), array)
        return [null, value] if writer.null_first else [value, null]
    parts = []
    for number, branch in enumerate(writer.branches):
        chosen = pc.and_(everywhere, pc.equal(array.type_codes, number))
        found = array.field(number)
        parts.append((chosen, found if branch.kind == "null" else found.field(0)))
    return parts


def _joined(wanted: Node, taken: dict[int, Any], count: int) -> Any:
    if wanted.kind != "union" or wanted.optional is not None:
        kind = arrow_type(wanted)
        made = [array for array in taken.values() if array.type == kind]
        return made[0] if made else pa.nulls(count, kind)
    fields = branch_fields(wanted)
    numbers = [number for number, each in enumerate(wanted.branches) if each.kind != "null"]
    if not fields:
        return pa.nulls(count)
    children = [
        taken.get(number, pa.nulls(count, field.type))
        for number, field in zip(numbers, fields, strict=True)
    ]
    nulls = pa.repeat(pa.scalar(True), count)
    for child in children:
        nulls = pc.and_(nulls, child.is_null())
    return pa.StructArray.from_arrays(children, fields=fields, mask=nulls)


# --- scalars ------------------------------------------------------------------------


def _enum(writer: Node, wanted: Node, where: str) -> Convert:
    known = frozenset(wanted.symbols)
    read = [symbol if symbol in known else wanted.default for symbol in writer.symbols]
    symbols = pa.array(read, pa.string())

    def convert(array: Any, _alive: Any) -> Any:
        made = symbols.take(array)
        if symbols.null_count and made.null_count > array.null_count:
            raise DecodeError(f"field {where!r} has a symbol that {wanted.name!r} does not know")
        return made

    return convert


def _scalar(writer: Node, wanted: Node, where: str) -> Convert:
    written, kind = arrow_type(writer), arrow_type(wanted)
    narrow = primitive_type(writer)
    plain = primitive_type(wanted)

    def convert(array: Any, _alive: Any) -> Any:
        if writer.kind in ("string", "bytes"):
            array = as_bytes(array)
            if writer.logical != "decimal" and wanted.logical != "decimal":
                made = array if kind == pa.binary() else array.cast(pa.string())
                return (
                    _checked_uuid(made, where)
                    if "uuid" in (writer.logical, wanted.logical)
                    else made
                )
        elif array.type != narrow:
            array = array.cast(narrow)
        if writer.logical is not None:
            array = _meant(writer, array)
            if wanted.logical is not None:
                return array if written == kind else array.cast(kind)
            array = _number(array, narrow)
        array = (
            array
            if array.type == plain
            else array.cast(plain, safe=not pa.types.is_floating(plain))
        )
        return _meant(wanted, array) if wanted.logical is not None else array

    return convert


def _meant(node: Node, array: Any) -> Any:
    """Return an array of a primitive type as the logical type it stands for."""
    if node.logical == "decimal":
        return _decimals(node, array)
    if node.logical == "uuid":
        if node.kind == "string":
            return array
        texts = (None if raw is None else str(uuid.UUID(bytes=raw)) for raw in array.to_pylist())
        return pa.array(texts, pa.string())
    kind = arrow_type(node)
    if node.logical in ("time-millis", "time-micros"):
        _check_time(node, array)
    return array.view(kind)


def _number(array: Any, plain: pa.DataType) -> Any:
    if (
        pa.types.is_date32(array.type)
        or pa.types.is_time(array.type)
        or pa.types.is_timestamp(array.type)
    ):
        return array.view(plain)
    return array.cast(plain)


def _check_time(node: Node, array: Any) -> None:
    limit = 86_400_000 if node.logical == "time-millis" else 86_400_000_000
    bounds = pc.min_max(array).as_py()
    if bounds["min"] is not None and (bounds["min"] < 0 or bounds["max"] >= limit):
        raise DecodeError("a time of day is outside of the day")


def _checked_uuid(array: Any, where: str) -> Any:
    if pc.all(pc.match_substring_regex(array, UUID_TEXT)).as_py() is False:
        raise DecodeError(f"field {where!r} is not a UUID")
    return array


def _decimals(node: Node, array: Any) -> Any:
    """Return decimals of their unscaled values, which are big-endian bytes of any length."""
    kind = arrow_type(node)
    width = kind.bit_width // 8
    largest = 10**node.precision
    parts = []
    for raw in array.to_pylist():
        number = int.from_bytes(raw, "big", signed=True) if raw is not None else 0
        if not -largest < number < largest:
            raise DecodeError(f"a decimal has more than {node.precision} digits")
        parts.append(number.to_bytes(width, "little", signed=True))
    made = pa.Array.from_buffers(kind, len(parts), [None, pa.py_buffer(b"".join(parts))])
    return pc.if_else(array.is_valid(), made, pa.scalar(None, kind)) if array.null_count else made
