"""What all codecs of documents without a schema do alike, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded
from sabot.codecs.documents.decoder import DocumentDecoder
from sabot.codecs.documents.format import Format
from sabot.codecs.documents.writer import DocumentWriter
from sabot.codecs.memory import SchemaMemory
from sabot.types import Stem

__all__ = ["FormatCodec", "Splice"]


class Splice(Protocol):
    """Adds members to documents that are bytes already."""

    def __call__(
        self, values: Sequence[bytes | None], added: pa.RecordBatch, *, replace: bool
    ) -> Encoded | None:
        """Append the members of ``added``; ``None`` where a value is no object.

        Args:
            values: The documents; a tombstone becomes one of the added members.
            added: The new members, one row for each document.
            replace: Whether a document may have members of these names, which make place.
        """
        ...


class FormatCodec:
    """Decodes documents into typed columns, and writes columns as documents.

    A format makes a codec of it by saying what it is called, and how it is read and
    written; for the arguments and what is inferred see there.
    """

    name: str
    form: ClassVar[Format]
    """How documents are read."""
    writer: ClassVar[DocumentWriter]
    """How documents are written."""
    splice: ClassVar[Splice]
    """How members are added to a document."""

    def __init__(
        self,
        *,
        schema: pa.Schema | Mapping[str, Any] | None = None,
        max_columns: int = 1000,
    ) -> None:
        self._documents = DocumentDecoder(self.form, schema=schema, max_columns=max_columns)

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
        """Turn records into Python's own types; a tombstone into ``None``.

        No schema is involved, and the top level may be of any type.
        """
        return self._documents.decode_rows(values)

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row as one object; null is written as the format's null."""
        return self.writer.columns(columns)

    def encode_found(
        self, columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
    ) -> Encoded:
        """Write each row without what its document lacks; see `DocumentCodec`."""
        return self.writer.found(columns, documents, stems)

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write Python objects; ``None`` becomes a tombstone.

        Takes what the format knows, and dataclasses, msgspec Structs, dates and times,
        decimals, enums and UUIDs.
        """
        return self.writer.objects(rows)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Add members at the end of each object, leaving its others untouched.

        A tombstone becomes an object of the added columns alone. Where the schema is
        pinned, a member of the same name that the schema ignores is replaced.
        """
        return self.splice(values, added, replace=self._documents.pinned is not None)

    def reads_as(self, other: Codec) -> bool:
        """Whether both read the format by the same pinned schema, or both by none."""
        return (
            isinstance(other, FormatCodec)
            and self.form is other.form
            and self._documents.pinned == other._documents.pinned
        )
