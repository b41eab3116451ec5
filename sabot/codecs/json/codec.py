"""JSON: one document per record, its fields as columns.

What becomes of a record (each line is a test):

==================================  ==================================================
the record                          becomes
==================================  ==================================================
an object                           a row; its fields are columns
an empty object                     a row of nulls
a tombstone (no value)              a row of nulls
a missing field, or null            null; a column seen once is in every later batch
text that looks like a date         text
a nested object, a list             a struct column, a list column
an integer beyond 64 bits           refused, unless the schema or a double holds it
a number no double can hold         refused, as are the tokens NaN and Infinity
duplicate keys                      the last one wins
line breaks between tokens          allowed
no bytes at all, two documents      refused
a byte order mark                   refused
invalid UTF-8, a lone surrogate     refused
a list, text, number or null alone  refused as columns; `JsonCodec.decode_rows` takes it
nesting deeper than 64 levels       refused (where types are inferred)
more than ``max_columns`` fields    refused
a type the column cannot widen to   refused: that record alone, not its batch
==================================  ==================================================

*Refused* is a `Failure`. How types are inferred and widen is told in
`sabot.codecs.documents.inference`; how a schema pins them, in
`sabot.codecs.documents.schema_option`; how columns are written, in `sabot.codecs.documents.cells`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded
from sabot.codecs.documents.decoder import DocumentDecoder
from sabot.codecs.json.format import JSON
from sabot.codecs.json.lines import encode_columns, encode_found, encode_objects
from sabot.codecs.json.splice import extend_documents
from sabot.codecs.memory import SchemaMemory
from sabot.types import Stem

__all__ = ["JsonCodec"]


class JsonCodec:
    """Decodes JSON objects into typed columns, and writes columns as JSON objects.

    Without a schema the types are inferred from the records, in the order they come, and
    kept as long as the codec lives, in a worker by its group: they only widen, and the
    columns of one batch all have the schema as it is at that batch's end.

    Args:
        schema: Pins the columns and their types: a `pyarrow.Schema`, or a JSON Schema as
            a dict. Fields outside it are ignored; a value that does not fit is refused.
        max_columns: How many fields, nested ones included, inference may find before a
            record that brings another one is refused. Guards against keys that are data.

    Raises:
        ConfigurationError: If the schema has a type that JSON cannot be read into.

    Example:
        >>> decoded = JsonCodec().decode([b'{"id": 1}', b'{"id": "x"}', b'{"id": 2.5}'])
        >>> decoded.columns.to_pylist()
        [{'id': 1.0}, {'id': 2.5}]
        >>> [str(failure.error) for failure in decoded.failures]
        ["field 'id' is a string, but has been an integer so far"]
    """

    name = "json"

    def __init__(
        self,
        *,
        schema: pa.Schema | Mapping[str, Any] | None = None,
        max_columns: int = 1000,
    ) -> None:
        self._documents = DocumentDecoder(JSON, schema=schema, max_columns=max_columns)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the next batch, as far as they are known."""
        return self._documents.schema

    def remember(self, memory: SchemaMemory) -> None:
        """Keep what is inferred in a memory; see `sabot.codecs.memory`."""
        self._documents.remember(memory)

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone becomes a row of nulls."""
        return self._documents.decode(values)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into what `json.loads` makes of them; a tombstone into ``None``.

        No schema is involved, and the top level may be of any type.
        """
        return self._documents.decode_rows(values)

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row as one object; null is written as ``null``."""
        return encode_columns(columns)

    def encode_found(
        self, columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
    ) -> Encoded:
        """Write each row without what its document lacks; see `DocumentCodec`."""
        return encode_found(columns, documents, stems)

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write Python objects; ``None`` becomes a tombstone.

        Takes what JSON knows, and dataclasses, msgspec Structs, dates and times (ISO
        8601), decimals (numbers), enums, UUIDs and bytes (base64). NaN and the
        infinities become ``null``.
        """
        return encode_objects(rows)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Add members at the end of each object, leaving its other bytes untouched.

        A tombstone becomes an object of the added columns alone. Where the schema is
        pinned, a member of the same name that the schema ignores is replaced.
        """
        return extend_documents(values, added, replace=self._documents.pinned is not None)

    def reads_as(self, other: Codec) -> bool:
        """Whether both read JSON by the same pinned schema, or both by none."""
        return isinstance(other, JsonCodec) and self._documents.pinned == other._documents.pinned
