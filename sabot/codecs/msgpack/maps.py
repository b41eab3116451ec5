"""Rows as MessagePack maps.

==================  ==================================================================
the column's type   is written as
==================  ==================================================================
binary              bin
timestamp           with a time zone the timestamp extension, with all its digits;
                    without one ISO 8601 text
date, time          ISO 8601 text
duration            an integer that counts its unit
decimal             text with all its digits
float               a 64 bit float
map                 a map, with its keys as they are
dictionary          its values
==================  ==================================================================

A row with a date beyond the years 0000 to 9999, or a time beyond its day, is refused where
it would be ISO 8601 text: there is none. The timestamp extension holds any.

Decoding under a pinned schema of the same types reads all of these back as they were,
except for times and durations, which cannot be pinned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded
from sabot.codecs.documents import rows as document_rows
from sabot.codecs.documents.cells import Cells
from sabot.codecs.documents.gaps import cells_as_found
from sabot.codecs.documents.rows import UNWRITTEN, row_type
from sabot.codecs.msgpack.instants import extensions
from sabot.types import Stem

__all__ = ["EMPTY_MAP", "encode_columns", "encode_found", "encode_objects", "write"]

EMPTY_MAP = b"\x80"

write = msgspec.msgpack.Encoder().encode
"""Write one Python object as MessagePack bytes."""


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


_cells = Cells([(_is_instant, extensions)])


def encode_columns(columns: pa.RecordBatch) -> Encoded:
    """Write each row of a batch as one map, with the columns in their order.

    Raises:
        EncodeError: If two columns have one name, so that every row would lose one.
    """
    return _encode(columns, [_cells(column) for column in columns.columns])


def encode_found(
    columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
) -> Encoded:
    """Write each row as one map without what the document it was read from lacks.

    Raises:
        EncodeError: As `encode_columns`.
    """
    return _encode(columns, cells_as_found(columns, _cells, documents, stems))


def encode_objects(rows: Sequence[Any]) -> Encoded:
    """Write each object by itself; ``None`` is a tombstone."""
    return document_rows.encode_objects(rows, write, "MessagePack")


def _encode(columns: pa.RecordBatch, values: Sequence[list[Any]]) -> Encoded:
    names = tuple(columns.schema.names)
    if not names:
        return Encoded([EMPTY_MAP] * columns.num_rows)
    rows = list(map(row_type(names), *values))
    try:
        return Encoded(list(map(write, rows)))
    except UNWRITTEN:
        return encode_objects(rows)
