"""Rows as JSON: whole batches at once, and the rows that cannot be written told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded
from sabot.codecs.documents import rows as document_rows
from sabot.codecs.documents.gaps import cells_as_found
from sabot.codecs.documents.rows import UNWRITTEN, row_type
from sabot.codecs.json.cells import cells
from sabot.types import Stem

__all__ = ["encode_columns", "encode_found", "encode_objects", "write"]

_encoder = msgspec.json.Encoder(decimal_format="number")
write = _encoder.encode
"""Write one Python object as JSON bytes."""


def encode_columns(columns: pa.RecordBatch) -> Encoded:
    """Write each row of a batch as one object, with the columns in their order.

    Raises:
        EncodeError: If two columns have one name, so that every row would lose one.
    """
    return _encode(columns, [cells(column) for column in columns.columns])


def encode_found(
    columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
) -> Encoded:
    """Write each row as one object without what the document it was read from lacks.

    Raises:
        EncodeError: As `encode_columns`.
    """
    return _encode(columns, cells_as_found(columns, cells, documents, stems))


def encode_objects(rows: Sequence[Any]) -> Encoded:
    """Write each object by itself; ``None`` is a tombstone."""
    return document_rows.encode_objects(rows, write, "JSON")


def _encode(columns: pa.RecordBatch, values: Sequence[list[Any]]) -> Encoded:
    names = tuple(columns.schema.names)
    if not names:
        return Encoded([b"{}"] * columns.num_rows)
    rows = list(map(row_type(names), *values))
    try:
        # No line break can stand inside a line: JSON text escapes it.
        lines = _encoder.encode_lines(rows).split(b"\n")
    except UNWRITTEN:
        return encode_objects(rows)
    lines.pop()
    return Encoded(lines)
