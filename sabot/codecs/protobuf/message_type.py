"""One type of message, and how its records become columns and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Encoded, Failure
from sabot.codecs.protobuf.decoding import columns_of
from sabot.codecs.protobuf.encoding import wire_of
from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.rows import fill_message, row_reader
from sabot.codecs.protobuf.shapes import TimeUnit, message_shape
from sabot.codecs.protobuf.sources import class_of
from sabot.codecs.protobuf.wire import ColumnWire, MessageWire, Payloads, Wire, column_wire
from sabot.errors import DecodeError, EncodeError

__all__ = ["MessageType"]

_MISFIT = (pa.ArrowException, ValueError, TypeError, OverflowError)
_BLOCK = 1_000


class MessageType:
    """A message's descriptor, made ready.

    Args:
        descriptor: The descriptor.
        unit: The unit of times.

    Raises:
        CodecError: If the message has too many fields.
    """

    def __init__(self, descriptor: Any, unit: TimeUnit) -> None:
        self.descriptor = descriptor
        self.name: str = descriptor.full_name
        self.shape = message_shape(descriptor, unit)
        self.schema = pa.schema(list(self.shape.column))
        self._row = row_reader(self.shape)
        self._names = frozenset(member.name for member in self.shape.members)
        # Where each field is one plain value, the class itself takes a dict.
        self._flat = all(
            member.form == "one" and member.shape.kind in ("plain", "float") and not member.oneof
            for member in self.shape.members
        )
        self._recursive = self.shape.recursive
        self._class = class_of(descriptor)
        self._messages = MessageWire(self.shape)
        self._columns: ColumnWire | None = column_wire(self.shape, self._messages.descriptor)

    @property
    def _wire(self) -> Wire:
        return self._columns or self._messages

    def decode_all(self, values: Payloads) -> pa.RecordBatch | None:
        """Return the columns if all values are messages as expected, ``None`` if not."""
        try:
            return columns_of(self._wire.read(values), self.shape, self.schema)
        except _MISFIT:
            return None

    def decode(self, payloads: Sequence[bytes]) -> tuple[pa.RecordBatch, list[Failure]]:
        """Return the columns of the messages that are good, and why the others are not."""
        try:
            return columns_of(self._wire.read(payloads), self.shape, self.schema), []
        except _MISFIT:
            return self.decode_closely(payloads)

    def decode_closely(self, payloads: Sequence[bytes]) -> tuple[pa.RecordBatch, list[Failure]]:
        """Do as `decode` does, where some message is not as expected, or only seems so."""
        if len(payloads) <= _BLOCK:
            return self._decode_block(payloads)
        # By columns a block fails at its first bad message, so that trying costs little,
        # and where few are bad most blocks need no closer look.
        parts: list[pa.RecordBatch] = []
        failures: list[Failure] = []
        for first in range(0, len(payloads), _BLOCK):
            part, faults = self.decode(payloads[first : first + _BLOCK])
            parts.append(part)
            failures += [Failure(first + fault.index, fault.error) for fault in faults]
        return _joined(parts, self.schema), failures

    def _decode_block(self, payloads: Sequence[bytes]) -> tuple[pa.RecordBatch, list[Failure]]:
        bad = self._messages.faults(payloads)
        failures = [Failure(number, DecodeError(str(error))) for number, error in bad.items()]
        numbers = [number for number in range(len(payloads)) if number not in bad]
        good = [payloads[number] for number in numbers]
        try:
            return columns_of(self._wire.read(good), self.shape, self.schema), failures
        except _MISFIT:
            good = [self._messages.normal(payload) for payload in good]
        parts: list[pa.RecordBatch] = []
        self._split(self._wire, good, numbers, parts, failures)
        failures.sort(key=lambda failure: failure.index)
        return _joined(parts, self.schema), failures

    def _split(
        self,
        wire: Wire,
        payloads: Sequence[bytes],
        numbers: Sequence[int],
        parts: list[pa.RecordBatch],
        failures: list[Failure],
    ) -> None:
        """Decode by halves until the messages that no column can hold stand alone."""
        try:
            parts.append(columns_of(wire.read(payloads), self.shape, self.schema))
        except _MISFIT as error:
            if len(payloads) > 1:
                middle = len(payloads) // 2
                self._split(wire, payloads[:middle], numbers[:middle], parts, failures)
                self._split(wire, payloads[middle:], numbers[middle:], parts, failures)
            elif wire is not self._messages:
                self._split(self._messages, payloads, numbers, parts, failures)
            else:
                failures.append(Failure(numbers[0], DecodeError(_words(error))))

    def decode_row(self, payload: bytes) -> dict[str, Any]:
        """Return one message as a dict.

        Raises:
            DecodeError: If it is no such message.
        """
        try:
            message = self._class.FromString(payload)
            if not message.IsInitialized():
                missing = ", ".join(map(repr, message.FindInitializationErrors()))
                raise DecodeError(f"the message has no value for the required {missing}")
            return self._row(message)
        except package("google.protobuf.message").DecodeError as error:
            raise DecodeError(f"the message cannot be parsed: {error}") from None
        except (*_MISFIT, package("google.protobuf.json_format").Error) as error:
            raise DecodeError(_words(error)) from None

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Return the bytes of each row.

        Raises:
            EncodeError: If the columns themselves do not fit the message.
        """
        try:
            wire_of(columns.slice(0, 0), self.shape)
        except _MISFIT as error:
            raise EncodeError(f"message {self.name!r}: {_words(error)}") from None
        values: list[bytes | None] = []
        failures: list[Failure] = []
        self._encode_part(columns, 0, values, failures)
        return Encoded(values, failures)

    def _encode_part(
        self,
        columns: pa.RecordBatch,
        start: int,
        values: list[bytes | None],
        failures: list[Failure],
    ) -> None:
        try:
            values += self._write(wire_of(columns, self.shape))
        except _MISFIT as error:
            middle = columns.num_rows // 2
            if middle:
                self._encode_part(columns.slice(0, middle), start, values, failures)
                self._encode_part(columns.slice(middle), start + middle, values, failures)
            else:
                failures.append(Failure(start, EncodeError(_words(error))))

    def _write(self, rows: pa.StructArray) -> list[bytes]:
        # The columnar encoder leaves out messages within themselves.
        if self._columns is None or self._recursive:
            return self._messages.write(rows)
        return self._columns.write(rows)

    def encode_row(self, row: Any) -> bytes:
        """Return the bytes of one object: a message of this type, or a dict.

        Raises:
            EncodeError: If the message cannot hold it.
        """
        try:
            written: bytes = self._message(row).SerializeToString(deterministic=True)
        except (*_MISFIT, RecursionError, package("google.protobuf.message").Error) as error:
            raise EncodeError(_words(error)) from None
        return written

    def _message(self, row: Any) -> Any:
        if isinstance(row, Mapping):
            if self._flat and self._names.issuperset(row):
                return self._class(**row)
            return fill_message(self._class(), row, self.shape)
        given = getattr(getattr(row, "DESCRIPTOR", None), "full_name", None)
        if given != self.name:
            raise TypeError(f"a dict or a message {self.name!r} is needed, not {row!r}")
        return row


def _joined(parts: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    if not schema.names:
        rows = sum(part.num_rows for part in parts)
        return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
    return pa.RecordBatch.from_arrays(
        [
            pa.concat_arrays([part.column(number) for part in parts])
            if parts
            else pa.nulls(0, field.type)
            for number, field in enumerate(schema)
        ],
        schema=schema,
    )


def _words(error: Exception) -> str:
    text = str(error).replace("\n", " ")
    return f"{text[:1].lower()}{text[1:]}"
