"""Messages as Python objects and back: a dict for each, by the names of its fields.

Values are what the column's would be: an enum's name, a datetime, JSON text for a Struct,
bytes for a message within itself; a map is a dict. A field that is not set is ``None``, or
its default where protobuf cannot tell the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter, methodcaller
from typing import Any

from sabot.codecs.protobuf.decoding import json_writer
from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.shapes import Member, Shape
from sabot.errors import nearest

__all__ = ["fill_message", "row_reader"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row_reader(shape: Shape) -> Callable[[Any], dict[str, Any]]:
    """Return what makes a dict of a message.

    It raises ValueError for a value outside the range of its type.
    """
    names = [member.name for member in shape.members]
    readers = [_member_reader(member) for member in shape.members]
    if all(isinstance(read, attrgetter) for read in readers) and len(names) > 1:
        fetch = attrgetter(*names)
        return lambda message: dict(zip(names, fetch(message), strict=True))
    return lambda message: {name: read(message) for name, read in zip(names, readers, strict=True)}


def fill_message(message: Any, row: Mapping[str, Any], shape: Shape) -> Any:
    """Set a message's fields, and return it; ``None`` leaves one unset.

    Raises:
        ValueError: If the message has no such field, or the field cannot hold the value.
        TypeError: Likewise.
    """
    members = {member.name: member for member in shape.members}
    for name, value in row.items():
        member = members.get(name)
        if member is None:
            listed = list(members)
            raise ValueError(
                f"message {shape.descriptor.full_name!r} has no field {name!r}, only "
                f"{listed!r}{nearest(str(name), listed)}"
            )
        if value is not None:
            _check_oneof(message, member)
            _write_member(message, member, value)
    return message


def _member_reader(member: Member) -> Callable[[Any], Any]:
    name, fetch = member.name, attrgetter(member.name)
    read = _value_reader(member.shape)
    if member.form == "list":
        if read is None:
            return lambda message: list(fetch(message))
        return lambda message: [read(each) for each in fetch(message)]
    if member.form == "map":
        if read is None:
            return lambda message: dict(fetch(message))
        return lambda message: {key: read(value) for key, value in fetch(message).items()}
    if not member.presence:
        return fetch if read is None else lambda message: read(fetch(message))
    if read is None:
        return lambda message: fetch(message) if message.HasField(name) else None
    return lambda message: read(fetch(message)) if message.HasField(name) else None


def _value_reader(shape: Shape) -> Callable[[Any], Any] | None:
    """Return what makes a Python object of a value, ``None`` where it is one."""
    if shape.kind == "message":
        return row_reader(shape)
    if shape.kind == "enum":
        known = {number: value.name for number, value in shape.descriptor.values_by_number.items()}
        return lambda value: known.get(value) or str(value)
    if shape.kind == "json":
        return json_writer()
    return _READERS.get(shape.kind)


_READERS: dict[str, Callable[[Any], Any]] = {
    "wrapper": attrgetter("value"),
    "bytes": methodcaller("SerializePartialToString", deterministic=True),
    "timestamp": methodcaller("ToDatetime", tzinfo=UTC),
    "duration": methodcaller("ToTimedelta"),
}


def _check_oneof(message: Any, member: Member) -> None:
    if member.oneof:
        other = message.WhichOneof(member.oneof)
        if other is not None and other != member.name:
            raise ValueError(
                f"only one of {other!r} and {member.name!r} may be set, which are oneof "
                f"{member.oneof!r}"
            )


def _write_member(message: Any, member: Member, value: Any) -> None:
    name, shape = member.name, member.shape
    target = getattr(message, name)
    try:
        if member.form == "list":
            for item in _items(value):
                if _is_message(shape):
                    _fill(target.add(), item, shape)
                else:
                    target.append(_scalar(item, shape))
        elif member.form == "map":
            for key, item in dict(value).items():
                if _is_message(shape):
                    _fill(target[key], item, shape)
                else:
                    target[key] = _scalar(item, shape)
        elif _is_message(shape):
            target.SetInParent()
            _fill(target, value, shape)
        else:
            setattr(message, name, _scalar(value, shape))
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"field {name!r}: {error}") from None


def _items(value: Any) -> Any:
    if isinstance(value, str | bytes | Mapping):
        raise TypeError(f"a list is needed, not {value!r}")
    return value


def _is_message(shape: Shape) -> bool:
    return shape.kind not in ("plain", "float", "enum")


def _scalar(value: Any, shape: Shape) -> Any:
    if value is None:
        raise ValueError("protobuf has no word for a null in a list or map")
    if shape.kind == "enum" and isinstance(value, str):
        known = shape.descriptor.values_by_name.get(value)
        if known is not None:
            return known.number
        if value.lstrip("-").isdigit():
            return int(value)
        names = list(shape.descriptor.values_by_name)
        raise ValueError(
            f"enum {shape.descriptor.full_name!r} has no value {value!r}{nearest(value, names)}"
        )
    return value


def _fill(target: Any, value: Any, shape: Shape) -> None:
    kind = shape.kind
    if value is None:
        raise ValueError("protobuf has no word for a null in a list or map")
    if isinstance(value, type(target)):
        target.CopyFrom(value)
    elif kind == "message":
        if not isinstance(value, Mapping):
            raise TypeError(f"a dict is needed, not {value!r}")
        fill_message(target, value, shape)
    elif kind == "wrapper":
        target.value = value
    elif kind == "bytes":
        _merge(target, value)
    elif kind == "json":
        _parse_json(target, value)
    elif kind == "timestamp":
        _set_time(target, value)
    else:
        target.FromTimedelta(value)


def _merge(target: Any, value: bytes) -> None:
    failure = package("google.protobuf.message").DecodeError
    try:
        target.MergeFromString(value)
    except failure as error:
        raise ValueError(str(error)) from None


def _parse_json(target: Any, value: Any) -> None:
    json_format = package("google.protobuf.json_format")
    try:
        if isinstance(value, str):
            json_format.Parse(value, target)
        else:
            json_format.ParseDict(value, target)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None


def _set_time(target: Any, value: Any) -> None:
    if not isinstance(value, datetime):
        if not isinstance(value, date):
            raise TypeError(f"a datetime is needed, not {value!r}")
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    micros = (value - _EPOCH) // timedelta(microseconds=1)
    target.seconds, rest = divmod(micros, 10**6)
    target.nanos = rest * 1000
