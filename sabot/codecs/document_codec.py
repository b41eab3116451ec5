"""Codecs whose records may lack a field, which is not the same as a null in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from sabot.codecs.codec import DecodedRows, Encoded

__all__ = ["DocumentCodec"]


@runtime_checkable
class DocumentCodec(Protocol):
    """Writes rows anew without making a null of what the record did not have.

    Columns have one word, null, for both; which it was stands in the record itself, as
    `Codec.decode_rows` reads it.
    """

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into documents, without a schema."""
        ...

    def encode_found(
        self, columns: pa.RecordBatch, documents: Sequence[Any], names: Collection[str]
    ) -> Encoded:
        """Turn rows into bytes, without the fields that their documents do not have.

        Args:
            columns: The rows.
            documents: What each row was read from.
            names: The columns that are as they were read. A null in any of them, and
                within them, is left out where the document has no such field.
        """
        ...
