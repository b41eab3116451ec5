"""Text: each record's value as one column, ``value``.

==================================  ==================================================
the record                          becomes
==================================  ==================================================
text in the encoding                a row with that text
no bytes at all                     the empty text
a tombstone (no value)              null, and null is written as a tombstone
bytes the encoding has no text for  refused, unless ``errors`` says otherwise
==================================  ==================================================
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.single import only_column
from sabot.errors import ConfigurationError, DecodeError, EncodeError

__all__ = ["StringCodec"]

_SCHEMA = pa.schema([("value", pa.string())])


class StringCodec:
    r"""Decodes values into text, and writes a column of text.

    Args:
        encoding: What the bytes are in: a name that Python knows.
        errors: What becomes of bytes that are no such text, and of text the encoding
            cannot write: ``"strict"`` refuses the record; ``"replace"``, ``"ignore"`` and
            the other names `codecs.register_error` knows change it.

    Raises:
        ConfigurationError: If Python knows no such encoding, or no such way.

    Example:
        >>> decoded = StringCodec().decode([b"a", None, b"\xff"])
        >>> decoded.columns.to_pylist(), [failure.index for failure in decoded.failures]
        ([{'value': 'a'}, {'value': None}], [2])
    """

    name = "string"
    single_column = True
    """What it reads is one value, so a key becomes a column of that, not a struct."""

    def __init__(self, *, encoding: str = "utf-8", errors: str = "strict") -> None:
        try:
            "a".encode(encoding)
            self._encoding = codecs.lookup(encoding).name
            codecs.lookup_error(errors)
        except (LookupError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"codec 'string' cannot use encoding {encoding!r} with errors {errors!r}: {error}"
            ) from None
        self._errors = errors

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into one column; a tombstone becomes null."""
        if self._encoding == "utf-8":
            try:
                # Checked by Arrow, in one go.
                texts = pa.array(values, pa.binary()).cast(pa.string())
                return Decoded(pa.RecordBatch.from_arrays([texts], schema=_SCHEMA))
            except pa.ArrowInvalid:
                pass
        rows = self._texts(values)
        column = pa.array(rows.rows, pa.string())
        return Decoded(pa.RecordBatch.from_arrays([column], schema=_SCHEMA), rows.failures)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into ``str``; a tombstone becomes ``None``."""
        return self._texts(values)

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write the column ``value``, or the only one there is; null is a tombstone.

        Raises:
            ColumnNotFoundError, SchemaMismatchError: If there is no such column, if there
                are others too, or if it is no text.
        """
        return self.encode_rows(only_column(columns, pa.string(), "string").to_pylist())

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write ``str`` objects; ``None`` becomes a tombstone."""
        values: list[bytes | None] = []
        failures: list[Failure] = []
        for index, row in enumerate(rows):
            try:
                values.append(None if row is None else self._written(row))
            except (TypeError, ValueError) as error:
                failures.append(
                    Failure(index, EncodeError(f"the value cannot be written: {error}"))
                )
        return Encoded(values, failures)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Text has no room for further columns."""
        return None if added.num_columns else Encoded(list(values))

    def reads_as(self, other: Codec) -> bool:
        """Whether both refuse the same bytes, so that what one took is right for the other."""
        return (
            isinstance(other, StringCodec)
            and self._encoding == other._encoding
            and self._errors == other._errors == "strict"
        )

    def _texts(self, values: Sequence[bytes | None]) -> DecodedRows:
        rows: list[str | None] = []
        failures: list[Failure] = []
        for index, value in enumerate(values):
            try:
                rows.append(None if value is None else self._read(value))
            except UnicodeError as error:
                failures.append(
                    Failure(index, DecodeError(f"the value is no {self._encoding} text: {error}"))
                )
        return DecodedRows(rows, failures)

    def _read(self, value: bytes) -> str:
        text = value.decode(self._encoding, self._errors)
        # Some ways make half a character, which no column holds.
        text.encode()
        return text

    def _written(self, row: Any) -> bytes:
        if not isinstance(row, str):
            raise TypeError(f"it is of type {type(row).__name__}, not str")
        return row.encode(self._encoding, self._errors)
