"""Bytes to the wire form and back: by columns where that can be done, else by messages."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.plain_form import plain_descriptor
from sabot.codecs.protobuf.shapes import Member, Shape
from sabot.codecs.protobuf.sources import class_of
from sabot.errors import CodecError

__all__ = ["ColumnWire", "MessageWire", "Payloads", "Wire", "column_wire"]

# The columnar decoder keeps a table as long as the greatest field number, for each batch.
_MAX_NUMBERS = 100_000
# From so many messages on, one array of all of them costs less than a list.
_MANY = 256
# A length within ten bytes of 2**64, after a tag that says a length follows: the columnar
# decoder's sum of the two overflows.
_OVERFLOW_HINT = b"\xff" * 8 + b"\x01"
_OVERFLOW = re.compile(
    rb"(?:[\x02\x0a\x12\x1a\x22\x2a\x32\x3a\x42\x4a\x52\x5a\x62\x6a\x72\x7a]"
    rb"|[\x82\x8a\x92\x9a\xa2\xaa\xb2\xba\xc2\xca\xd2\xda\xe2\xea\xf2\xfa][\x80-\xff]{0,8}[\x00-\x7f])"
    rb"[\xf0-\xff]\xff{8}\x01"
)
# The columnar decoder skips an unknown group by calling itself for each group within, as
# deep as the bytes say, until the stack ends and the process with it.
_MAX_GROUPS = 1000
_NO_GROUP = bytes(byte for byte in range(256) if byte & 7 != 3)
"""Bytes no group's tag begins with."""

Payloads: TypeAlias = "Sequence[bytes | None] | pa.BinaryArray"
"""The bytes of messages, as the client gave them or in an array."""


class Wire(Protocol):
    """Turns the bytes of messages into their wire form, and back.

    Either raises ValueError (or what Arrow raises) for the whole of what it was given, and
    TypeError for a tombstone.
    """

    def read(self, payloads: Payloads) -> pa.StructArray:
        """Return one struct for each message."""
        ...

    def write(self, rows: pa.StructArray) -> list[bytes]:
        """Return the bytes of each struct, none of which is null."""
        ...


class MessageWire:
    """Message by message, by protobuf's own decoder.

    Args:
        shape: The message's shape.
    """

    def __init__(self, shape: Shape) -> None:
        self.descriptor = plain_descriptor(shape.descriptor)
        self.type = shape.wire
        self._class = class_of(self.descriptor)
        self._shape = shape
        self._failure = package("google.protobuf.message").DecodeError
        self._may_lack = _may_lack(self.descriptor)

    def faults(self, payloads: Sequence[bytes]) -> dict[int, CodecError]:
        """Parse messages, and return by number why some of them are none."""
        if self._may_lack:
            return self._faults_one_by_one(payloads)
        found: dict[int, CodecError] = {}
        remaining = iter(list(payloads))
        while True:
            try:
                # At C speed up to the next bad one.
                deque(map(self._class.FromString, remaining), maxlen=0)
            except self._failure as error:
                number = len(payloads) - length_hint(remaining) - 1
                found[number] = CodecError(_plain_words(error))
            else:
                return found

    def _faults_one_by_one(self, payloads: Sequence[bytes]) -> dict[int, CodecError]:
        found: dict[int, CodecError] = {}
        for number, payload in enumerate(payloads):
            try:
                self._parsed(payload)
            except CodecError as error:
                found[number] = error
        return found

    def normal(self, payload: bytes) -> bytes:
        """Return the same message as this library writes it, without unknown fields.

        Raises:
            CodecError: If it is no such message.
        """
        message = self._parsed(payload)
        message.DiscardUnknownFields()
        written: bytes = message.SerializeToString()
        return written

    def _parsed(self, payload: bytes) -> Any:
        try:
            message = self._class.FromString(payload)
        except self._failure as error:
            raise CodecError(_plain_words(error)) from None
        if not message.IsInitialized():
            missing = ", ".join(map(repr, message.FindInitializationErrors()))
            raise CodecError(f"the message has no value for the required {missing}")
        return message

    def read(self, payloads: Payloads) -> pa.StructArray:
        """Return one struct for each message."""
        if isinstance(payloads, pa.Array):
            payloads = payloads.to_pylist()
        try:
            messages = list(map(self._class.FromString, payloads))
        except self._failure as error:
            raise ValueError(_plain_words(error)) from None
        return pa.array([_to_wire(message, self._shape) for message in messages], self.type)

    def write(self, rows: pa.StructArray) -> list[bytes]:
        """Return the bytes of each struct."""
        try:
            return [
                _from_wire(row, self._shape, self._class()).SerializeToString()
                for row in rows.to_pylist()
            ]
        except self._failure as error:
            raise ValueError(_plain_words(error)) from None


class ColumnWire:
    """All messages of a batch at once, by ptars.

    Args:
        handler: Its handler for the message.
        descriptor: The descriptor of its wire form.
        shape: The message's shape.
    """

    def __init__(self, handler: Any, descriptor: Any, shape: Shape) -> None:
        self._handler = handler
        self._parse = class_of(descriptor).FromString
        self._failure = package("google.protobuf.message").DecodeError
        self._names = [member.name for member in shape.members]

    def read(self, payloads: Payloads) -> pa.StructArray:
        """Return one struct for each message."""
        if not isinstance(payloads, pa.Array) and len(payloads) >= _MANY:
            array = pa.array(payloads, pa.binary())
            # More than 2 GB are several arrays.
            payloads = array if isinstance(array, pa.Array) else payloads
        if isinstance(payloads, pa.Array):
            if payloads.null_count:
                raise TypeError("a tombstone is no message")
            joined = payloads.buffers()[2].to_pybytes()
            read = self._handler.array_to_record_batch
        else:
            joined = b"".join(payloads)  # type: ignore[arg-type] # a tombstone raises
            payloads, read = list(payloads), self._handler.list_to_record_batch
        # Small negative numbers have the same bytes, so the hint alone says little; one
        # byte of it is sought much faster than all.
        if b"\xff" in joined and _OVERFLOW_HINT in joined and _OVERFLOW.search(joined):
            raise ValueError("a declared length is beyond all bounds")
        if len(joined) > _MAX_GROUPS:
            self._check_groups(payloads)
        return _or_value_error(lambda: read(payloads).to_struct_array())

    def write(self, rows: pa.StructArray) -> list[bytes]:
        """Return the bytes of each struct."""
        batch = pa.RecordBatch.from_arrays(rows.flatten(), names=self._names)
        found: list[bytes] = _or_value_error(
            lambda: self._handler.record_batch_to_array(batch).to_pylist()
        )
        return found

    def _check_groups(self, payloads: Payloads) -> None:
        """Let protobuf's own decoder, which has a bound, see what may be groups in groups.

        Raises:
            ValueError: If that does not take it.
        """
        for payload in _longer_than(_MAX_GROUPS, payloads):
            if len(payload.translate(None, _NO_GROUP)) > _MAX_GROUPS:
                try:
                    self._parse(payload)
                except self._failure as error:
                    raise ValueError(_plain_words(error)) from None


def column_wire(shape: Shape, descriptor: Any) -> ColumnWire | None:
    """Return the columnar way for a message, ``None`` where it cannot be taken.

    It cannot for messages without fields, for groups, and for very great field numbers.

    Args:
        shape: The message's shape.
        descriptor: The descriptor of its wire form.
    """
    numbers = _greatest_numbers(shape)
    if not shape.members or numbers is None or numbers > _MAX_NUMBERS:
        return None
    ptars = package("ptars")
    nullable = ptars.PtarsConfig(
        list_nullable=True, map_nullable=True, list_value_nullable=True, map_value_nullable=True
    )
    try:
        handler = _or_value_error(
            lambda: ptars.HandlerPool([descriptor.file], nullable).get_for_message(descriptor)
        )
        schema = handler.schema()
    except (ValueError, RuntimeError):
        return None
    # What it takes a field for must be what this codec takes it for.
    return (
        ColumnWire(handler, descriptor, shape)
        if _same(pa.struct(list(schema)), shape.wire)
        else None
    )


def _longer_than(length: int, payloads: Payloads) -> Iterator[bytes]:
    if isinstance(payloads, pa.Array):
        lengths = pc.binary_length(payloads)
        if (pc.max(lengths).as_py() or 0) <= length:
            return
        payloads = payloads.filter(pc.greater(lengths, length)).to_pylist()
    yield from (each for each in payloads if each is not None and len(each) > length)


def _may_lack(descriptor: Any) -> bool:
    """Say whether the message, or one within it, has a field that must be there."""
    seen: dict[str, Any] = {}
    waiting = [descriptor]
    while waiting:
        each = waiting.pop()
        if each is None or each.full_name in seen:
            continue
        seen[each.full_name] = each
        if any(field.is_required for field in each.fields):
            return True
        waiting += [field.message_type for field in each.fields]
    return False


def _or_value_error(call: Callable[[], Any]) -> Any:
    """Call into Rust, where a bug shows itself by an exception outside `Exception`."""
    try:
        return call()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"the columnar codec fails: {error}") from None


def _greatest_numbers(shape: Shape) -> int | None:
    """Return the sum of each message's greatest field number, ``None`` with groups."""
    total = max((member.number for member in shape.members), default=0)
    for member in shape.members:
        inner = _greatest_numbers(member.shape)
        if inner is None or member.group:
            return None
        total += inner
    return total


def _same(left: pa.DataType, right: pa.DataType) -> bool:
    """Say whether two types are one, whatever may be null and what items are called."""
    if left.id != right.id:
        return False
    if pa.types.is_struct(left):
        return [each.name for each in left] == [each.name for each in right] and all(
            _same(one.type, other.type) for one, other in zip(left, right, strict=True)
        )
    if pa.types.is_map(left):
        return left.key_type == right.key_type and _same(left.item_type, right.item_type)
    if pa.types.is_list(left):
        return _same(left.value_type, right.value_type)
    return bool(left == right)


def _to_wire(message: Any, shape: Shape) -> dict[str, Any]:
    return {member.name: _member_to_wire(message, member) for member in shape.members}


def _member_to_wire(message: Any, member: Member) -> Any:
    value = getattr(message, member.name)
    if member.form == "list":
        return [_value_to_wire(each, member.shape) for each in value]
    if member.form == "map":
        return [(key, _value_to_wire(value[key], member.shape)) for key in value]
    if member.presence and not message.HasField(member.name):
        return None
    return _value_to_wire(value, member.shape)


def _value_to_wire(value: Any, shape: Shape) -> Any:
    if shape.kind == "bytes":
        return value.SerializePartialToString()
    if shape.kind in ("timestamp", "duration"):
        return {"seconds": value.seconds, "nanos": value.nanos}
    if shape.kind in ("message", "wrapper"):
        return _to_wire(value, shape)
    return value


def _from_wire(row: Any, shape: Shape, message: Any) -> Any:
    for member in shape.members:
        value = row[member.name]
        if value is not None:
            _member_from_wire(value, member, message)
    return message


def _member_from_wire(value: Any, member: Member, message: Any) -> None:
    shape, name = member.shape, member.name
    nested = shape.kind in ("message", "wrapper", "timestamp", "duration", "bytes")
    is_message = nested and shape.descriptor is not None
    if member.form == "list":
        target = getattr(message, name)
        for each in value:
            if is_message:
                _fill(each, shape, target.add())
            else:
                target.append(each)
    elif member.form == "map":
        target = getattr(message, name)
        for key, each in value:
            if is_message:
                _fill(each, shape, target[key])
            else:
                target[key] = each
    elif is_message:
        target = getattr(message, name)
        target.SetInParent()
        _fill(value, shape, target)
    else:
        setattr(message, name, value)


def _fill(value: Any, shape: Shape, message: Any) -> None:
    if shape.kind == "bytes":
        message.MergeFromString(value)
    elif shape.kind in ("timestamp", "duration"):
        message.seconds, message.nanos = value["seconds"], value["nanos"]
    else:
        _from_wire(value, shape, message)


def _plain_words(error: Exception) -> str:
    text = str(error).replace("\n", " ")
    return f"the message cannot be parsed: {text[:1].lower()}{text[1:]}"
