"""Bytes: each record's value as it is, in one column, ``value``.

Nothing is refused. A tombstone is null, and null is written as a tombstone; no bytes at
all are the empty value, which is another thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.single import only_column
from sabot.errors import EncodeError

__all__ = ["BytesCodec"]

_SCHEMA = pa.schema([("value", pa.binary())])


class BytesCodec:
    r"""Hands values on as they are.

    Example:
        >>> BytesCodec().decode([b"\xff", None]).columns.to_pylist()
        [{'value': b'\xff'}, {'value': None}]
    """

    name = "bytes"
    single_column = True
    """What it reads is one value, so a key becomes a column of that, not a struct."""

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into one column; a tombstone becomes null."""
        column = pa.array(values, pa.binary())
        return Decoded(pa.RecordBatch.from_arrays([column], schema=_SCHEMA))

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Return the records as they are."""
        return DecodedRows(list(values))

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write the column ``value``, or the only one there is; null is a tombstone.

        Raises:
            ColumnNotFoundError, SchemaMismatchError: If there is no such column, if there
                are others too, or if it holds no bytes.
        """
        return Encoded(only_column(columns, pa.binary(), "bytes").to_pylist())

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write objects that are bytes; ``None`` becomes a tombstone."""
        values: list[bytes | None] = []
        failures: list[Failure] = []
        for index, row in enumerate(rows):
            if row is None or isinstance(row, bytes):
                values.append(row)
            elif isinstance(row, bytearray | memoryview):
                values.append(bytes(row))
            else:
                text = f"the value is of type {type(row).__name__}, not bytes"
                failures.append(Failure(index, EncodeError(text)))
        return Encoded(values, failures)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Bytes have no room for further columns."""
        return None if added.num_columns else Encoded(list(values))

    def reads_as(self, other: Codec) -> bool:
        """Whether the other reads values as they are, too."""
        return isinstance(other, BytesCodec)
