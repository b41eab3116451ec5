"""Avro: records by a schema, which the registry, the record or the options name.

What becomes of a record (each line is a test):

======================================  ==============================================
the record                              becomes
======================================  ==============================================
a record of the schema                  a row; its fields are columns
any other type                          a row with one column, ``value``
a tombstone (no value)                  a row of nulls
written by another version              a row of the reader's schema
a union of null and one type            that type, with nulls
any other union                         a struct with a field for each branch
bytes left behind the record's end      refused
text that is no UTF-8                   refused, as a key of a map too
an int beyond 32 bits                   refused
an unknown branch, symbol, schema id    refused
a time outside of the day               refused
a decimal of more digits than declared  refused
a UUID that is none                     refused
a schema with a type inside itself      refused
a null where none is allowed (writing)  refused
======================================  ==============================================

*Refused* is a `Failure`. The types of columns are listed in `sabot.codecs.avro.columns`;
how one schema's records are read by another's is told in `sabot.codecs.avro.reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeVar, Unpack

import pyarrow as pa

from sabot.codecs.avro.columns import arrow_schema
from sabot.codecs.avro.records import Reading, RowReading, RowWriting, Writing
from sabot.codecs.avro.schema import Schema, SchemaSource
from sabot.codecs.avro.schemas import GivenSchemas, RegisteredSchemas, Schemas
from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.schema_registry import RegistryOptions, SchemaRegistry, registry_settings
from sabot.errors import ConfigurationError, DecodeError, EncodeError, nearest

__all__ = ["AvroCodec"]

T = TypeVar("T")

_ENCODINGS = ("raw", "single_object")


class AvroCodec:
    r"""Decodes Avro records into typed columns, and writes columns as Avro records.

    With a registry every record names its schema by an id; the registry is first asked
    when the first record is decoded or encoded. Without one, ``schema`` is what records
    are written and read by.

    Args:
        schema: The schema, as a dict or as JSON text. With a registry it is the one
            records are read by, whatever they were written by, and the one they are
            written with; without it they are read by the subject's newest schema, and
            written with one derived from the columns.
        encoding: How a record names its schema where there is no registry: ``"raw"`` not
            at all, ``"single_object"`` by a fingerprint.
        writer_schemas: Without a registry: further schemas that single objects may have
            been written with.
        **registry: `sabot.codecs.schema_registry.RegistrySettings` tells them.

    Raises:
        ConfigurationError: If an option or the schema cannot be used, or if there is
            neither a schema nor a registry.

    Example:
        >>> codec = AvroCodec(
        ...     schema={
        ...         "type": "record",
        ...         "name": "Reading",
        ...         "fields": [
        ...             {"name": "id", "type": "long"},
        ...             {"name": "unit", "type": ["null", "string"], "default": None},
        ...         ],
        ...     }
        ... )
        >>> codec.decode([b"\x02\x00", b"\x04\x02\x02C", b"\x04"]).columns.to_pylist()
        [{'id': 1, 'unit': None}, {'id': 2, 'unit': 'C'}]
    """

    name = "avro"
    knows_topic = True

    def __init__(
        self,
        *,
        schema: SchemaSource | None = None,
        encoding: Literal["raw", "single_object"] | None = None,
        writer_schemas: Sequence[SchemaSource] = (),
        **registry: Unpack[RegistryOptions],
    ) -> None:
        own = ("schema", "encoding", "writer_schemas")
        settings = registry_settings(self.name, registry, own=own)
        if encoding is not None and encoding not in _ENCODINGS:
            listed = ", ".join(map(repr, _ENCODINGS))
            raise ConfigurationError(
                f"codec 'avro': encoding is {encoding!r}; it must be one of "
                f"{listed}{nearest(str(encoding), _ENCODINGS)}"
            )
        if settings is not None and (encoding or writer_schemas):
            raise ConfigurationError(
                "codec 'avro': encoding and writer_schemas are for records without a registry"
            )
        if settings is None and schema is None:
            raise ConfigurationError(
                "codec 'avro' needs a 'schema_registry_url', or a 'schema' to do without"
            )
        self._asked = (schema, encoding, settings)
        self._schemas: Schemas
        if settings is not None:
            self._schemas = RegisteredSchemas(SchemaRegistry(settings), schema)
        else:
            assert schema is not None
            single = encoding == "single_object"
            self._schemas = GivenSchemas(schema, writer_schemas, single_object=single)
        self._readings: dict[tuple[str, str], Reading | DecodeError] = {}
        self._row_readings: dict[tuple[str, str], RowReading] = {}
        self._writings: dict[tuple[str, str], Writing] = {}
        self._row_writings: dict[str, RowWriting] = {}

    @property
    def schema(self) -> pa.Schema:
        """The columns of the next batch, as far as they are known."""
        wanted = self._schemas.wanted
        return pa.schema([]) if wanted is None else arrow_schema(wanted.record)

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone becomes a row of nulls.

        Raises:
            SchemaRegistryUnavailableError: If a schema is not known yet and the registry
                cannot be asked; no record is taken then.
        """
        writers, failures = self._writers(values)
        wanted = self._schemas.wanted
        if wanted is None:
            return self._only_tombstones(values, failures)
        made: list[pa.RecordBatch] = []
        numbers: list[int] = []
        for writer, members in writers:
            whole = len(members) == len(values)
            group = values if whole else [values[number] for number in members]
            batches, bad = self._decode_group(writer, wanted, group)
            made += batches
            failures += [Failure(members[number], error) for number, error in bad]
            failed = {members[number] for number, _ in bad}
            numbers += [number for number in members if number not in failed] if failed else members
        schema = arrow_schema(wanted.record)
        blank = [number for number, value in enumerate(values) if value is None]
        if blank:
            made.append(_nulls(len(blank), schema))
            numbers += blank
        failures.sort(key=lambda failure: failure.index)
        return Decoded(_in_order(made, numbers, schema), failures)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into Python objects; a tombstone becomes ``None``.

        Logical types become `datetime`, `decimal` and `uuid` objects; a value of a union
        is just that value.
        """
        writers, failures = self._writers(values)
        found: dict[int, Any] = {n: None for n, value in enumerate(values) if value is None}
        for writer, members in writers:
            reading = self._row_reading(writer)
            for number in members:
                value = values[number]
                assert value is not None
                try:
                    found[number] = reading.decode(value, self._schemas.skip)
                except DecodeError as error:
                    failures.append(Failure(number, error))
        failures.sort(key=lambda failure: failure.index)
        return DecodedRows([found[number] for number in sorted(found)], failures)

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row as one record.

        Raises:
            SchemaMismatchError: If the columns do not fit the schema, whatever the rows.
            SchemaRegistryError: If the registry refuses the schema.
            SchemaRegistryUnavailableError: If the registry cannot be asked.
        """
        schema, prefix = self._schemas.output(columns.schema)
        key = (schema.text, columns.schema.to_string())
        writing = _kept(self._writings, key, lambda: Writing(schema, columns.schema))
        values, bad = writing.encode(columns, prefix)
        return Encoded(values, [Failure(number, error) for number, error in bad])

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write Python objects; ``None`` becomes a tombstone."""
        values: list[bytes | None] = []
        failures: list[Failure] = []
        if all(row is None for row in rows):
            return Encoded([None] * len(rows))
        schema, prefix = self._schemas.output(None)
        writing = _kept(self._row_writings, schema.text, lambda: RowWriting(schema))
        for number, row in enumerate(rows):
            try:
                values.append(None if row is None else writing.encode(row, prefix))
            except EncodeError as error:
                failures.append(Failure(number, error))
        return Encoded(values, failures)

    def extend(self, _values: Sequence[bytes | None], _added: pa.RecordBatch) -> Encoded | None:
        """Return ``None``: a record of another schema has other bytes."""
        return None

    def reads_as(self, other: Codec) -> bool:
        """Whether both were given the same registry, subject and schema."""
        return isinstance(other, AvroCodec) and self._asked == other._asked

    def _writers(
        self, values: Sequence[bytes | None]
    ) -> tuple[list[tuple[Schema, Sequence[int]]], list[Failure]]:
        """Return which records each schema wrote, and those whose schema is not known."""
        groups = _by_prefix(values, self._schemas.skip)
        writers: list[tuple[Schema, Sequence[int]]] = []
        failures: list[Failure] = []
        for prefix, members in groups.items():
            try:
                writers.append((self._schemas.writer(prefix), members))
            except DecodeError as error:
                failures += [Failure(number, error) for number in members]
        return writers, failures

    def _decode_group(
        self, writer: Schema, wanted: Schema, group: Sequence[Any]
    ) -> tuple[list[pa.RecordBatch], list[tuple[int, DecodeError]]]:
        def make() -> Reading | DecodeError:
            try:
                return Reading(writer, wanted, lenient=self._schemas.pinned is None)
            except DecodeError as error:
                return error

        reading = _kept(self._readings, (writer.text, wanted.text), make)
        if isinstance(reading, DecodeError):
            return [], [(number, reading) for number in range(len(group))]
        return reading.decode(group, self._schemas.skip)

    def _row_reading(self, writer: Schema) -> RowReading:
        wanted = self._schemas.pinned
        key = (writer.text, "" if wanted is None else wanted.text)
        return _kept(self._row_readings, key, lambda: RowReading(writer, wanted))

    def _only_tombstones(self, values: Sequence[bytes | None], failures: list[Failure]) -> Decoded:
        count = len(values) - len(failures)
        failures.sort(key=lambda failure: failure.index)
        return Decoded(_nulls(count, pa.schema([])), failures)


def _by_prefix(values: Sequence[bytes | None], skip: int) -> dict[bytes, Sequence[int]]:
    """Return the numbers of the records that begin with the same bytes; of no tombstone."""
    prefixes = {None if value is None else value[:skip] for value in values}
    if len(prefixes) == 1 and None not in prefixes:
        return {prefix: range(len(values)) for prefix in prefixes if prefix is not None}
    groups: dict[bytes, list[int]] = {}
    for number, value in enumerate(values):
        if value is not None:
            groups.setdefault(value[:skip], []).append(number)
    return dict(groups)


K = TypeVar("K")


def _kept(cache: dict[K, T], key: K, make: Callable[[], T]) -> T:
    found = cache.get(key)
    if found is None:
        found = cache[key] = make()
    return found


def _nulls(count: int, schema: pa.Schema) -> pa.RecordBatch:
    if not len(schema):
        return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))
    return pa.RecordBatch.from_arrays(
        [pa.nulls(count, field.type) for field in schema], schema=schema
    )


def _in_order(
    made: Sequence[pa.RecordBatch], numbers: Sequence[int], schema: pa.Schema
) -> pa.RecordBatch:
    """Join batches, whose rows are the records of these numbers, in the records' order."""
    if not made:
        return _nulls(0, schema)
    batch = made[0] if len(made) == 1 else pa.concat_batches(made)
    if len(made) == 1 or all(a < b for a, b in pairwise(numbers)):
        return batch
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    return batch.take(pa.array(order, pa.int64()))
