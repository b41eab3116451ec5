"""The codec contract: bytes to columns or rows, and back.

A codec works on whole batches, since the cost of a call must be shared by many records,
and never raises for a bad record: that record becomes a `Failure` with its index, and
the others are unharmed. Values are the client's own ``bytes`` objects; measured, taking
them one by one costs less than building an Arrow array of them first
(``docs/decisions/json-decode.md``).

A codec may keep what it learns (a schema), is used by one thread at a time, and does no
I/O except to a schema registry or to the memory it was given (`sabot.codecs.memory`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from sabot.deferred import DeferredColumns
from sabot.errors import CodecError

__all__ = ["Codec", "Decoded", "DecodedRows", "Encoded", "Failure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One record or row the codec cannot take.

    Attributes:
        index: Its number in the sequence or batch that was given.
        error: Why; the caller adds where it came from.
    """

    index: int
    error: CodecError


@dataclass(frozen=True, slots=True)
class Decoded:
    """The outcome of `Codec.decode`.

    Attributes:
        rows: A row for each record that could be decoded, in the order given: columns, or
            what makes them when they are asked for. Only rows that are known to fit their
            types may be deferred.
        failures: The others, by ascending index.
            ``rows.num_rows + len(failures) == len(values)``.
    """

    rows: pa.RecordBatch | DeferredColumns
    failures: Sequence[Failure] = ()

    @property
    def columns(self) -> pa.RecordBatch:
        """The rows with all their columns made."""
        rows = self.rows
        return rows.materialize() if isinstance(rows, DeferredColumns) else rows


@dataclass(frozen=True, slots=True)
class DecodedRows:
    """The outcome of `Codec.decode_rows`: Python objects, one for each good record."""

    rows: Sequence[Any]
    failures: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """The outcome of `Codec.encode` and `Codec.encode_rows`.

    Attributes:
        values: The bytes of each row that could be encoded, in order; ``None`` is a
            tombstone.
        failures: The others, by ascending index.
    """

    values: Sequence[bytes | None]
    failures: Sequence[Failure] = ()


@runtime_checkable
class Codec(Protocol):
    """Bytes to columns and back, for one topic's values."""

    name: str
    """The name it is registered by, such as ``"json"``."""

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone (``None``) becomes a row of nulls."""
        ...

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into Python objects; a tombstone becomes ``None``."""
        ...

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Turn rows into bytes."""
        ...

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Turn Python objects into bytes; ``None`` becomes a tombstone."""
        ...

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Add columns to records that are bytes already, leaving the rest untouched.

        ``values`` are bytes this codec (or one for which `reads_as` holds) has decoded
        without failure, ``added`` has one row for each. Return ``None`` where the format
        cannot be extended without decoding; the caller then encodes all columns.
        """
        ...

    def reads_as(self, other: Codec) -> bool:
        """Whether bytes that ``other`` decoded may be written by this codec as they are.

        True only for the same format with equal registry, subject and schema.
        """
        ...
