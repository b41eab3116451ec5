"""Protobuf: one message per record, its fields as columns.

What becomes of a field (each line is a test):

===========================================  =========================================
the field                                    becomes
===========================================  =========================================
int32, sint32, sfixed32                      int32
int64, sint64, sfixed64                      int64
uint32, fixed32; uint64, fixed64             uint32; uint64
double, float, bool, string, bytes           float64, float32, bool, string, binary
an enum                                      string: the value's name; a number nobody
                                             knows, its digits
``optional``, a message, a proto2 field,     null where it is not set; a proto2 default
a field of a oneof                           is not filled in
another field that is not set                its default: 0, ``""``, false
repeated, map                                a list, a map; empty where there is none
a message, a proto2 group                    a struct
a message within itself                      binary: its bytes
``Timestamp``                                timestamp, UTC; digits below the unit are cut
``Duration``                                 duration; likewise
``Int64Value`` and the other wrappers        the wrapped type; null where it is not set
``Struct``, ``Value``, ``ListValue``         string: JSON text
``Any``                                      a struct of ``type_url`` and ``value``
unknown fields, extensions                   nothing; they stay in bytes that pass through
===========================================  =========================================

And of a record:

===========================================  =========================================
the record                                   becomes
===========================================  =========================================
a tombstone (no value)                       a row of nulls
no bytes at all, without a registry          a row of defaults: an empty message
a oneof set twice                            the last one wins
a key twice in a map                         the last one wins
text that is not UTF-8                       refused
a required field that is missing             refused
a time outside the years 1 to 9999           refused
a message of another name than the first     refused, with a registry
a schema id the registry does not have       refused
anything that is cut off                     refused, if it ends within a field
===========================================  =========================================

*Refused* is a `Failure`. Protobuf cannot tell a wrong message from a right one by itself:
bytes of another type are refused only if they do not parse.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.merging import MergedColumns
from sabot.codecs.protobuf.frames import by_head, cut_alike
from sabot.codecs.protobuf.given import given_message
from sabot.codecs.protobuf.message_type import MessageType
from sabot.codecs.protobuf.registered import RegisteredMessages
from sabot.codecs.protobuf.shapes import TimeUnit
from sabot.codecs.schema_registry import registry_settings
from sabot.errors import (
    ConfigurationError,
    DecodeError,
    EncodeError,
    nearest,
)

__all__ = ["ProtobufCodec"]

_OWN = ("schema", "message", "message_class", "descriptor_set", "timestamp_unit")


class ProtobufCodec:
    """Decodes protobuf messages into typed columns, and writes columns as messages.

    The message is given by one of ``schema``, ``message_class`` and ``descriptor_set``, or
    found in a schema registry by each record's own id. With a registry records are framed
    as Confluent does; where a message is given too, all records are read by it, whatever
    schema they were written with, and their ids are not looked up.

    Without a given message a batch may hold several versions of one: a column that one of
    them has is in every later batch.

    Args:
        schema: ``.proto`` text. It may import what ships with protobuf.
        message: Which message of ``schema`` or ``descriptor_set``, by its name; needed
            where there are several.
        message_class: A generated class.
        descriptor_set: A serialized ``FileDescriptorSet``, as bytes or the path of a file,
            as ``protoc --include_imports --descriptor_set_out`` writes it.
        timestamp_unit: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``, for times and durations.
            Nanoseconds hold only the years 1678 to 2261; others are then refused.
        options: `sabot.codecs.schema_registry.RegistrySettings`.

    Raises:
        ConfigurationError: If no message and no registry is given, or if what is given
            cannot be used.
    """

    name = "protobuf"
    knows_topic = True

    def __init__(
        self,
        *,
        schema: str | None = None,
        message: str | None = None,
        message_class: type | None = None,
        descriptor_set: bytes | str | Path | None = None,
        timestamp_unit: TimeUnit = "us",
        **options: Any,
    ) -> None:
        units = get_args(TimeUnit)
        if timestamp_unit not in units:
            raise ConfigurationError(
                f"codec 'protobuf': timestamp_unit is {timestamp_unit!r}; it must be one of "
                f"{', '.join(map(repr, units))}{nearest(str(timestamp_unit), units)}"
            )
        settings = registry_settings(self.name, options, own=_OWN)
        self._text = schema
        self._given = given_message(
            schema=schema,
            message=message,
            message_class=message_class,
            descriptor_set=descriptor_set,
            unit=timestamp_unit,
        )
        if self._given is None and settings is None:
            raise ConfigurationError(
                "codec 'protobuf' needs to know the message: set one of 'message_class', "
                "'descriptor_set', 'schema' or 'schema_registry_url' in codec_options"
            )
        self._registered = (
            None if settings is None else RegisteredMessages(settings, timestamp_unit, message)
        )
        self._writes: tuple[MessageType, bytes] | None = None
        self._columns = MergedColumns(None if self._given is None else self._given.schema)
        self._message = message
        self._identity = (
            None if self._given is None else self._given.name,
            None if self._given is None else self._given.descriptor.file.serialized_pb,
            message,
            timestamp_unit,
            settings,
        )

    @property
    def schema(self) -> pa.Schema:
        """The columns of the next batch, as far as they are known."""
        return self._columns.schema

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone becomes a row of nulls.

        Raises:
            SchemaRegistryError: If the registry does not answer, or refuses to.
        """
        whole = self._decode_all(values)
        if whole is not None:
            return Decoded(whole)
        failures: list[Failure] = []
        parts: list[tuple[Sequence[int], pa.RecordBatch]] = []
        for kind, given, payloads in self._groups(values, failures):
            # What was tried above need not be tried again.
            tried = len(given) == len(values)
            columns, faults = (kind.decode_closely if tried else kind.decode)(payloads)
            failures += [Failure(given[fault.index], fault.error) for fault in faults]
            bad = {fault.index for fault in faults}
            numbers = [n for at, n in enumerate(given) if at not in bad] if bad else given
            if not numbers:
                continue
            try:
                self._columns.widen(columns.schema)
            except DecodeError as error:
                failures += [Failure(number, error) for number in numbers]
            else:
                parts.append((numbers, columns))
        failures.sort(key=lambda failure: failure.index)
        tombstones = _tombstones(values)
        return Decoded(self._columns.merge(parts, tombstones), failures)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into dicts by the names of their fields; a tombstone into ``None``.

        Values are as in the columns, and a map is a dict.
        """
        failures: list[Failure] = []
        found: dict[int, Any] = dict.fromkeys(_tombstones(values))
        for kind, numbers, payloads in self._groups(values, failures):
            for number, payload in zip(numbers, payloads, strict=True):
                try:
                    found[number] = kind.decode_row(payload)
                except DecodeError as error:
                    failures.append(Failure(number, error))
        failures.sort(key=lambda failure: failure.index)
        return DecodedRows([found[number] for number in sorted(found)], failures)

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row as a message; null is a field that is not set.

        So a null in a field that protobuf cannot leave unset is read back as its default.
        Columns are matched with fields by name.

        Raises:
            EncodeError: If the message has no field for a column, or one of another type.
            SchemaRegistryError: If the registry refuses the schema.
        """
        kind, head = self._writing()
        encoded = kind.encode(columns)
        if not head:
            return encoded
        return Encoded(
            [head + value for value in encoded.values if value is not None], encoded.failures
        )

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write dicts, or messages of the right type; ``None`` becomes a tombstone."""
        kind, head = self._writing()
        values: list[bytes | None] = []
        failures: list[Failure] = []
        for number, row in enumerate(rows):
            try:
                values.append(None if row is None else head + kind.encode_row(row))
            except EncodeError as error:
                failures.append(Failure(number, error))
        return Encoded(values, failures)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Return the values if nothing is added; other columns have to be encoded anew."""
        return Encoded(list(values)) if added.num_columns == 0 else None

    def reads_as(self, other: Codec) -> bool:
        """Whether both read the same message, framed for the same registry and subject."""
        return isinstance(other, ProtobufCodec) and self._identity == other._identity

    def _writing(self) -> tuple[MessageType, bytes]:
        if self._writes is None:
            if self._registered is None:
                assert self._given is not None
                self._writes = (self._given, b"")
            else:
                self._writes = self._registered.writing(self._given, self._text)
        return self._writes

    def _decode_all(self, values: Sequence[bytes | None]) -> pa.RecordBatch | None:
        """Return the columns if all records are of one message, and all as expected."""
        if self._registered is None:
            assert self._given is not None
            return self._given.decode_all(values)
        alike = cut_alike(values)
        if alike is None:
            return None
        head, payloads = alike
        try:
            columns = self._type(head).decode_all(payloads)
            if columns is None:
                return None
            self._columns.widen(columns.schema)
        except DecodeError:
            return None
        return self._columns.merge([(range(len(values)), columns)], [])

    def _groups(
        self, values: Sequence[bytes | None], failures: list[Failure]
    ) -> list[tuple[MessageType, Sequence[int], Sequence[Any]]]:
        """Sort records by their message; those of none become failures."""
        if self._registered is None:
            assert self._given is not None
            numbers = [number for number, value in enumerate(values) if value is not None]
            return [(self._given, numbers, [value for value in values if value is not None])]
        heads = by_head(values, failures)
        groups: list[tuple[MessageType, Sequence[int], Sequence[Any]]] = []
        for head, (numbers, payloads) in heads.items():
            try:
                groups.append((self._type(head), numbers, payloads))
            except DecodeError as error:
                # What the registry refuses otherwise is no fault of the records.
                failures += [Failure(number, error) for number in numbers]
        return groups

    def _type(self, head: bytes) -> MessageType:
        if self._given is not None:
            return self._given
        assert self._registered is not None
        kind = self._registered.type_of(head)
        if self._message is None:
            self._message = kind.name
        if self._message not in (kind.name, kind.descriptor.name):
            raise DecodeError(
                f"the value is a {kind.name!r}, but this topic's are {self._message!r}; choose "
                "by 'message' in codec_options"
            )
        return kind


def _tombstones(values: Sequence[bytes | None]) -> list[int]:
    if None not in values:
        return []
    return [number for number, value in enumerate(values) if value is None]
