"""Rows to documents: whole batches at once, and the rows that cannot be written told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Encoded
from sabot.codecs.documents.cells import Cells
from sabot.codecs.documents.gaps import cells_as_found
from sabot.codecs.documents.rows import UNWRITTEN, encode_objects, row_type
from sabot.types import Stem

__all__ = ["DocumentWriter"]


class DocumentWriter:
    """Writes documents of one format.

    Args:
        title: What people call the format.
        cells: Makes the format's Python values of arrays.
        write: Writes one object.
        write_all: Writes many of them, one by one or at once.
    """

    def __init__(
        self,
        title: str,
        *,
        cells: Cells,
        write: Callable[[Any], bytes],
        write_all: Callable[[Sequence[Any]], list[bytes]],
    ) -> None:
        self._title = title
        self._cells = cells
        self._write = write
        self._write_all = write_all

    def columns(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row of a batch as one object, with the columns in their order.

        Raises:
            EncodeError: If two columns have one name, so that every row would lose one.
        """
        return self._rows(columns, [self._cells(column) for column in columns.columns])

    def found(
        self, columns: pa.RecordBatch, documents: Sequence[Any], stems: Mapping[str, Stem]
    ) -> Encoded:
        """Write each row as one object without what the document it was read from lacks.

        Raises:
            EncodeError: As `columns`.
        """
        return self._rows(columns, cells_as_found(columns, self._cells, documents, stems))

    def objects(self, rows: Sequence[Any]) -> Encoded:
        """Write each object by itself; ``None`` is a tombstone."""
        return encode_objects(rows, self._write, self._title)

    def _rows(self, columns: pa.RecordBatch, values: Sequence[list[Any]]) -> Encoded:
        names = tuple(columns.schema.names)
        if not names:
            return Encoded([self._write({})] * columns.num_rows)
        rows = list(map(row_type(names), *values))
        try:
            return Encoded(self._write_all(rows))
        except UNWRITTEN:
            return self.objects(rows)
