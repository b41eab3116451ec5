"""What the fields of a message become: the types of columns, and of what the wire holds.

Between bytes and columns stands a plain form of each message, the *wire form*, which
differs from the columns where protobuf's own types do:

=========================  ================================  =====================
field                      column                            wire form
=========================  ================================  =====================
integers, bool, string,    the type of that name             the same
bytes
double, float              float64, float32                  their bits
enum                       string: the value's name          int32
Timestamp                  timestamp with time zone UTC      seconds and nanos
Duration                   duration                          seconds and nanos
wrappers (Int64Value, …)   the wrapped type, or null         struct with ``value``
Struct, Value, ListValue   string: JSON text                 their bytes
another message            struct                            struct
a message within itself    binary: its bytes                 binary
repeated, map              list, map                         list, map
=========================  ================================  =====================

The bits of a float are what tells minus zero, which protobuf writes, from zero, which it
leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from sabot.errors import CodecError

__all__ = ["MAX_FIELDS", "Form", "Member", "Shape", "TimeUnit", "message_shape"]

MAX_FIELDS = 10_000
"""How many fields a message may have, those of the messages within it included."""

MAX_DEPTH = 100
"""How many messages may stand inside one another; protobuf's own parsers take no more."""

TimeUnit = Literal["s", "ms", "us", "ns"]
Form = Literal["one", "list", "map"]
Kind = Literal[
    "plain", "float", "enum", "message", "bytes", "timestamp", "duration", "wrapper", "json"
]

_SCALARS = {
    "TYPE_INT32": pa.int32(),
    "TYPE_SINT32": pa.int32(),
    "TYPE_SFIXED32": pa.int32(),
    "TYPE_INT64": pa.int64(),
    "TYPE_SINT64": pa.int64(),
    "TYPE_SFIXED64": pa.int64(),
    "TYPE_UINT32": pa.uint32(),
    "TYPE_FIXED32": pa.uint32(),
    "TYPE_UINT64": pa.uint64(),
    "TYPE_FIXED64": pa.uint64(),
    "TYPE_BOOL": pa.bool_(),
    "TYPE_STRING": pa.string(),
    "TYPE_BYTES": pa.binary(),
    "TYPE_DOUBLE": pa.float64(),
    "TYPE_FLOAT": pa.float32(),
}
_BITS = {pa.float64(): pa.uint64(), pa.float32(): pa.uint32()}
_SECONDS_AND_NANOS = pa.struct([("seconds", pa.int64()), ("nanos", pa.int32())])
_WRAPPERS = {
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_JSON = {f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue")}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One value of a field.

    Attributes:
        kind: How it is converted.
        column: Its type in a column.
        wire: Its type in the wire form.
        descriptor: The descriptor of its message or enum.
        members: The fields of a message, or the wrapped field.
    """

    kind: Kind
    column: pa.DataType
    wire: pa.DataType
    descriptor: Any = None
    members: tuple[Member, ...] = ()

    @property
    def recursive(self) -> bool:
        """Whether a message stands within itself somewhere."""
        return self.kind == "bytes" or any(member.shape.recursive for member in self.members)

    @property
    def oneofs(self) -> list[tuple[str, list[int]]]:
        """The name of each oneof that has a choice, and the positions of its fields."""
        groups: dict[str, list[int]] = {}
        for position, member in enumerate(self.members):
            if member.oneof:
                groups.setdefault(member.oneof, []).append(position)
        return [(name, positions) for name, positions in groups.items() if len(positions) > 1]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A field of a message.

    Attributes:
        name: Its name, which is the column's.
        number: Its number.
        shape: One of its values.
        form: Whether it has one value, many, or many by key.
        key: The type of a map's keys.
        presence: Whether one that is not set can be told from one with the default.
        required: Whether it must be there.
        oneof: The oneof it belongs to.
        group: Whether it is written between two tags, as in proto2's groups.
    """

    name: str
    number: int
    shape: Shape
    form: Form
    key: pa.DataType | None = None
    presence: bool = False
    required: bool = False
    oneof: str | None = None
    group: bool = False
    column: pa.DataType = field(init=False)
    wire: pa.DataType = field(init=False)

    def __post_init__(self) -> None:
        for side in ("column", "wire"):
            kind = getattr(self.shape, side)
            if self.form == "list":
                kind = pa.list_(kind)
            elif self.form == "map":
                kind = pa.map_(self.key, kind)
            object.__setattr__(self, side, kind)


@dataclass(slots=True)
class _Walk:
    unit: TimeUnit
    fields: int = 0


def message_shape(descriptor: Any, unit: TimeUnit) -> Shape:
    """Return the shape of a message.

    Raises:
        CodecError: If it has more than `MAX_FIELDS` fields, or messages nested deeper
            than `MAX_DEPTH`.
    """
    return _message(descriptor, (), _Walk(unit))


def _message(descriptor: Any, around: Sequence[str], walk: _Walk) -> Shape:
    name = descriptor.full_name
    if name in around:
        return Shape("bytes", pa.binary(), pa.binary(), descriptor)
    if len(around) >= MAX_DEPTH:
        raise CodecError(f"message {around[0]!r} is nested deeper than {MAX_DEPTH} levels")
    members = tuple(_member(each, (*around, name), walk) for each in descriptor.fields)
    return Shape(
        "message",
        pa.struct([(member.name, member.column) for member in members]),
        pa.struct([(member.name, member.wire) for member in members]),
        descriptor,
        members,
    )


def _member(each: Any, around: Sequence[str], walk: _Walk) -> Member:
    walk.fields += 1
    if walk.fields > MAX_FIELDS:
        raise CodecError(
            f"message {around[0]!r} has more than {MAX_FIELDS} fields, those of the messages "
            "within it included"
        )
    inner = each.message_type
    if inner is not None and inner.GetOptions().map_entry:
        key, value = inner.fields_by_number[1], inner.fields_by_number[2]
        shape = _value(value, around, walk)
        return Member(
            each.name,
            each.number,
            shape,
            "map",
            key=_SCALARS[_type_name(key)],
            group=value.type == value.TYPE_GROUP,
        )
    oneof = each.containing_oneof
    return Member(
        each.name,
        each.number,
        _value(each, around, walk),
        "list" if each.is_repeated else "one",
        presence=each.has_presence,
        required=each.is_required,
        oneof=None if oneof is None else oneof.name,
        group=each.type == each.TYPE_GROUP,
    )


def _value(each: Any, around: Sequence[str], walk: _Walk) -> Shape:
    if each.enum_type is not None:
        return Shape("enum", pa.string(), pa.int32(), each.enum_type)
    descriptor = each.message_type
    if descriptor is None:
        kind = _SCALARS[_type_name(each)]
        bits = _BITS.get(kind)
        return Shape("plain", kind, kind) if bits is None else Shape("float", kind, bits)
    name = descriptor.full_name
    if name == "google.protobuf.Timestamp":
        return Shape("timestamp", pa.timestamp(walk.unit, "UTC"), _SECONDS_AND_NANOS, descriptor)
    if name == "google.protobuf.Duration":
        return Shape("duration", pa.duration(walk.unit), _SECONDS_AND_NANOS, descriptor)
    if name in _JSON:
        return Shape("json", pa.string(), pa.binary(), descriptor)
    if name in _WRAPPERS:
        wrapped = _member(descriptor.fields[0], (*around, name), walk)
        wire = pa.struct([("value", wrapped.wire)])
        return Shape("wrapper", wrapped.column, wire, descriptor, (wrapped,))
    return _message(descriptor, around, walk)


def _type_name(each: Any) -> str:
    return next(name for name in _SCALARS if getattr(each, name) == each.type)
