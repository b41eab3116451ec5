"""JSON Schema: JSON documents that are checked, with columns of the schema's types.

What becomes of a record (each line is a test):

==================================  ==================================================
the record                          becomes
==================================  ==================================================
a valid object                      a row; its fields are columns
a tombstone (no value)              a row of nulls
a missing field, or null            null; written again, it is left out where the
                                    schema allows no null, or the record lacked it
a field the schema does not name    nothing, if the schema tells all types; else a
                                    column of an inferred type
an integer such as ``1.0``          refused: columns of integers hold integers
an integer beyond 64 bits           refused; as a row it is taken
an object that is not valid         refused, with the field and the rule
what JSON itself refuses            refused, as by the JSON codec
a valid list, text or number        refused as columns; taken as a row
nesting deeper than 200 levels      refused
a schema id the registry lacks      refused
==================================  ==================================================

*Refused* is a `Failure`. All rules of drafts 4 to 2020-12 are checked, except that
``format`` is a remark and no rule. The types of columns are told in
`sabot.codecs.json_schema.types`; where a schema does not tell all types, the others are
inferred, as told in `sabot.codecs.documents.inference`, and remembered as those of JSON are.
Nothing that a schema refers to is
fetched from anywhere but the registry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.documents.decoder import DocumentDecoder
from sabot.codecs.documents.untold import UntoldMemory
from sabot.codecs.json.format import JSON
from sabot.codecs.json.lines import LINES
from sabot.codecs.json.splice import extend_documents
from sabot.codecs.json_schema.registered import RegisteredSchemas
from sabot.codecs.json_schema.schema import InvalidDocumentError, JsonSchema, read_schema
from sabot.codecs.json_schema.writing import write_found, write_rows
from sabot.codecs.memory import SchemaMemory
from sabot.codecs.merging import MergedColumns
from sabot.codecs.schema_registry import registry_settings, split
from sabot.codecs.schema_registry.framing import PREFIX_BYTES
from sabot.errors import CodecError, ConfigurationError, DecodeError, EncodeError
from sabot.types import Stem

__all__ = ["JsonSchemaCodec"]

_OWN = ("schema", "max_columns")


class JsonSchemaCodec:
    """Decodes valid JSON documents into typed columns, and writes only valid ones.

    With a registry each record names its schema by an id, and is read by that; a batch may
    hold several versions, and a column that one of them has is in every later batch. With
    ``schema`` as well, all records are read by it alone, and their ids are not looked up.

    Args:
        schema: The schema, as a dict or as JSON text. With a registry it is the one that
            is written by, and registered.
        max_columns: How many fields, nested ones included, may be inferred where the
            schema does not tell all types.
        options: `sabot.codecs.schema_registry.RegistrySettings`.

    Raises:
        ConfigurationError: If no schema and no registry is given, or the schema cannot be
            used.

    Example:
        >>> schema = {"properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
        >>> decoded = JsonSchemaCodec(schema=schema).decode([b'{"n": 1}', b'{"n": 0}', b"{}"])
        >>> decoded.columns.to_pylist()
        [{'n': 1}]
        >>> [str(failure.error) for failure in decoded.failures]
        ["field 'n' is not valid: 0 is less than the minimum of 1",
         'the value is not valid: "n" is a required property']
    """

    name = "json_schema"
    knows_topic = True

    def __init__(
        self,
        *,
        schema: str | Mapping[str, Any] | None = None,
        max_columns: int = 1000,
        **options: Any,
    ) -> None:
        settings = registry_settings(self.name, options, own=_OWN)
        self._given, self._text = _given_schema(schema)
        if self._given is None and settings is None:
            raise ConfigurationError(
                "codec 'json_schema' needs a schema: set 'schema' or 'schema_registry_url' in "
                "codec_options"
            )
        if max_columns < 1:
            raise ConfigurationError(f"max_columns is {max_columns!r}; it must be at least 1")
        self._max_columns = max_columns
        self._registered = None if settings is None else RegisteredSchemas(settings)
        self._writes: tuple[JsonSchema, bytes] | None = None
        self._memory: SchemaMemory | None = None
        self._begin()
        self._identity = (self._text, settings)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the next batch, as far as they are known."""
        return self._columns.schema

    def remember(self, memory: SchemaMemory) -> None:
        """Keep what is inferred in a memory; see `sabot.codecs.memory`.

        What the schema tells is not kept, and holds whatever was inferred before. All
        schemas of a topic share what none of them tells.
        """
        self._memory = memory
        self._begin()

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone becomes a row of nulls.

        Raises:
            SchemaRegistryError: If the registry does not answer, or refuses to.
        """
        failures: list[Failure] = []
        parts: list[tuple[Sequence[int], pa.RecordBatch]] = []
        for schema, numbers, payloads in self._groups(values, failures):
            good, documents = self._checked(schema, numbers, payloads, failures)[:2]
            decoded = self._decoder(schema).decode(documents)
            failures += [Failure(good[fault.index], fault.error) for fault in decoded.failures]
            bad = {fault.index for fault in decoded.failures}
            kept = [number for at, number in enumerate(good) if at not in bad]
            if not kept:
                continue
            try:
                self._columns.widen(decoded.rows.schema)
            except DecodeError as error:
                failures += [Failure(number, error) for number in kept]
                continue
            if len(kept) == len(values) and decoded.rows.schema == self._columns.schema:
                return Decoded(decoded.rows)
            parts.append((kept, decoded.columns))
        failures.sort(key=lambda failure: failure.index)
        tombstones = [number for number, value in enumerate(values) if value is None]
        return Decoded(self._columns.merge(parts, tombstones), failures)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn valid records into what `json.loads` makes of them; a tombstone into ``None``.

        The top level may be of any type that the schema allows.
        """
        failures: list[Failure] = []
        found: dict[int, Any] = {
            number: None for number, value in enumerate(values) if value is None
        }
        for schema, numbers, payloads in self._groups(values, failures):
            good, _, rows = self._checked(schema, numbers, payloads, failures)
            found.update(zip(good, rows, strict=True))
        failures.sort(key=lambda failure: failure.index)
        return DecodedRows([found[number] for number in sorted(found)], failures)

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row as one object, and check it.

        A null is written as ``null`` where the schema allows it, and else left out.

        Raises:
            SchemaRegistryError: If the registry refuses the schema.
        """
        schema, head = self._writing()
        return _framed(write_rows(columns, schema), head)

    def encode_found(
        self, columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
    ) -> Encoded:
        """Write each row without what its document lacks, and check it.

        A null is written all the same where the row is not valid without it.

        Raises:
            SchemaRegistryError: If the registry refuses the schema.
        """
        schema, head = self._writing()
        return _framed(write_found(columns, schema, documents, stems), head)

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write Python objects as they are, and check them; ``None`` becomes a tombstone."""
        schema, head = self._writing()
        return _framed(_only_valid(LINES.objects(rows), schema), head)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Add members at the end of each object, and check the outcome.

        Records of another schema than the one that is written have to be encoded anew.
        """
        if added.num_columns == 0:
            return Encoded(list(values))
        schema, head = self._writing()
        if not all(value is None or value.startswith(head) for value in values):
            return None
        payloads = [value and value[len(head) :] for value in values]
        extended = extend_documents(payloads, added, replace=True)
        return None if extended is None else _framed(_only_valid(extended, schema), head)

    def reads_as(self, other: Codec) -> bool:
        """Whether both read by the same schema, framed for the same registry and subject."""
        return isinstance(other, JsonSchemaCodec) and self._identity == other._identity

    def _begin(self) -> None:
        """Begin with what the schema tells."""
        self._decoders: dict[JsonSchema, DocumentDecoder] = {}
        self._columns = MergedColumns(None)
        if self._given is not None:
            self._columns.widen(self._decoder(self._given).schema)

    def _writing(self) -> tuple[JsonSchema, bytes]:
        if self._writes is None:
            if self._registered is None:
                assert self._given is not None
                self._writes = (self._given, b"")
            else:
                self._writes = self._registered.writing(self._given, self._text)
        return self._writes

    def _decoder(self, schema: JsonSchema) -> DocumentDecoder:
        found = self._decoders.get(schema)
        if found is None:
            found = self._decoders[schema] = DocumentDecoder(
                JSON, schema=schema.pinned, max_columns=self._max_columns, known=schema.known
            )
            if self._memory is not None:
                found.remember(UntoldMemory(self._memory, schema.known))
        return found

    def _groups(
        self, values: Sequence[bytes | None], failures: list[Failure]
    ) -> list[tuple[JsonSchema, Sequence[int], Sequence[bytes]]]:
        """Sort records by their schema; those of none become failures."""
        if self._registered is None:
            assert self._given is not None
            numbers = [number for number, value in enumerate(values) if value is not None]
            return [(self._given, numbers, [value for value in values if value is not None])]
        groups: list[tuple[JsonSchema, Sequence[int], Sequence[bytes]]] = []
        for schema_id, (members, payloads) in _by_id(values, failures).items():
            try:
                schema = self._given or self._registered.schema(schema_id)
            except DecodeError as error:
                # What the registry refuses otherwise is no fault of the records.
                failures += [Failure(number, error) for number in members]
            else:
                groups.append((schema, members, payloads))
        return groups

    @staticmethod
    def _checked(
        schema: JsonSchema,
        numbers: Sequence[int],
        payloads: Sequence[bytes],
        failures: list[Failure],
    ) -> tuple[list[int], list[bytes], list[Any]]:
        good: list[int] = []
        documents: list[bytes] = []
        rows: list[Any] = []
        for number, payload in zip(numbers, payloads, strict=True):
            try:
                rows.append(schema.check(payload))
            except InvalidDocumentError as error:
                failures.append(Failure(number, DecodeError(str(error))))
            else:
                good.append(number)
                documents.append(payload)
        return good, documents, rows


def _given_schema(given: object) -> tuple[JsonSchema | None, str | None]:
    if given is None:
        return None, None
    if not isinstance(given, str | Mapping):
        raise ConfigurationError(
            f"codec 'json_schema': schema is {given!r}; give a dict or JSON text"
        )
    try:
        schema = read_schema(given)
        return JsonSchema(schema), given if isinstance(given, str) else json.dumps(schema)
    except CodecError as error:
        raise ConfigurationError(f"codec 'json_schema': {error}") from error


def _by_id(
    values: Sequence[bytes | None], failures: list[Failure]
) -> dict[int, tuple[list[int], list[bytes]]]:
    groups: dict[int, tuple[list[int], list[bytes]]] = {}
    for number, value in enumerate(values):
        if value is None:
            continue
        try:
            schema_id, _ = split(value)
        except DecodeError as error:
            failures.append(Failure(number, error))
            continue
        members, payloads = groups.setdefault(schema_id, ([], []))
        members.append(number)
        payloads.append(value[PREFIX_BYTES:])
    return groups


def _only_valid(encoded: Encoded, schema: JsonSchema) -> Encoded:
    """Let only valid documents pass."""
    refused = {failure.index for failure in encoded.failures}
    numbers = (
        number for number in range(len(encoded.values) + len(refused)) if number not in refused
    )
    values: list[bytes | None] = []
    failures = list(encoded.failures)
    for number, value in zip(numbers, encoded.values, strict=True):
        try:
            if value is not None:
                schema.check(value)
            values.append(value)
        except InvalidDocumentError as error:
            failures.append(Failure(number, EncodeError(str(error))))
    failures.sort(key=lambda failure: failure.index)
    return Encoded(values, failures)


def _framed(encoded: Encoded, head: bytes) -> Encoded:
    if not head:
        return encoded
    return Encoded(
        [None if value is None else head + value for value in encoded.values], encoded.failures
    )
