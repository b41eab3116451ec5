"""Codecs whose records may lack a field, which is not the same as a null in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from sabot.codecs.codec import DecodedRows, Encoded
from sabot.types import Stem

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
        self, columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
    ) -> Encoded:
        """Turn rows into bytes, without the fields that their documents do not have.

        Args:
            columns: The rows.
            documents: What each row was read from.
            stems: The fields of the document that columns stand for. A null in any of
                these columns, and within their objects, is left out where the document
                has no such field; within lists too where no step has changed them.
        """
        ...
