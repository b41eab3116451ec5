"""How documents of one schema are read: the decoder and the columns it fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from operator import attrgetter
from typing import Any

import pyarrow as pa
from msgspec.structs import asdict

from sabot.codecs.documents.columns import BLANK, ArrayBuilder, array_builder
from sabot.codecs.documents.format import NOT_A_DOCUMENT, Format
from sabot.codecs.documents.names import has_odd_names
from sabot.codecs.documents.struct import attribute, document_type
from sabot.deferred import ColumnBuilder, DeferredColumns

__all__ = ["MISFIT", "Layout"]

_FEW = 40
"""Up to so many rows, a call to Arrow for each column costs more than a dict for each row."""
MISFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)
"""What Arrow raises for a value that a type cannot hold."""


class Layout:
    """Reads documents that fit one schema. Immutable; a wider schema is a new layout.

    Args:
        schema: The columns. All are nullable whatever the schema says, since a tombstone
            becomes a row of nulls.
        form: The documents' format.
        closed: Whether a key outside the schema is an error rather than ignored.
    """

    def __init__(self, schema: pa.Schema, form: Format, *, closed: bool) -> None:
        self.schema = pa.schema(
            [field.with_nullable(True) for field in schema], metadata=schema.metadata
        )
        self.type = pa.struct(list(self.schema))
        self._form = form
        self._closed = closed
        self._odd_names = has_odd_names(schema)
        document = document_type(list(schema), form.annotation, closed=closed)
        self._read: Callable[[Any], Any] = form.decoder(document)
        self._decode: Callable[[Any], Any] = self._read_odd if self._odd_names else self._read

    def decoder(self, *, all_text: bool) -> Callable[[Any], Any]:
        """Return what turns the bytes of one document into a row, or raises.

        It raises one of `NOT_A_DOCUMENT`, or TypeError for a tombstone.

        Args:
            all_text: Whether the values are known to be UTF-8. Members that are ignored
                are skipped without a look at their text.
        """
        return self._decode if self._closed or all_text else self._decode_text

    def _decode_text(self, value: bytes) -> Any:
        if self._form.is_text:
            str(value, "utf-8")
        return self._decode(value)

    def _read_odd(self, value: bytes) -> Any:
        return self._read(self._form.canonical(value, stand_ins=True))

    def row(self, value: bytes | None) -> Any:
        """Decode a document or a tombstone, and judge duplicate keys by the last.

        The decoder checks each value as it comes, also one that a later duplicate replaces.
        """
        if value is None:
            return BLANK
        try:
            return self._decode_text(value)
        except UnicodeDecodeError:
            raise
        except NOT_A_DOCUMENT:
            return self._read(self._form.canonical(value, stand_ins=self._odd_names))

    @cached_property
    def _columns(self) -> list[tuple[attrgetter[Any], ArrayBuilder]]:
        return [
            (
                attrgetter(attribute(number)),
                array_builder(field.type, self._form.leaf, odd_names=self._odd_names),
            )
            for number, field in enumerate(self.schema)
        ]

    @cached_property
    def _deferrable(self) -> bool:
        """Whether the decoder lets nothing pass that a column could refuse."""
        kinds = (
            pa.types.is_boolean,
            pa.types.is_int64,
            pa.types.is_float64,
            pa.types.is_string,
            pa.types.is_binary,
        )
        return self._closed and all(
            any(is_kind(field.type) for is_kind in kinds) for field in self.schema
        )

    @cached_property
    def _builders(self) -> dict[str, ColumnBuilder]:
        return {
            field.name: partial(_column, fetch, make)
            for field, (fetch, make) in zip(self.schema, self._columns, strict=True)
        }

    def columns(self, rows: list[Any]) -> pa.RecordBatch | DeferredColumns:
        """Make columns of rows, or leave them to be made when they are asked for.

        Raises:
            Exception: One of `MISFIT`, if the type of a column cannot hold a value that
                the decoder let pass; `misfit` finds the row.
        """
        if not self._columns:
            # Without columns only a struct array knows how many rows there are.
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
        if self._deferrable:
            together = self._few if len(rows) <= _FEW else None
            return DeferredColumns(self.schema, rows, self._builders, together)
        return pa.RecordBatch.from_arrays(
            [make(list(map(fetch, rows))) for fetch, make in self._columns],
            schema=self.schema,
        )

    def _few(self, rows: Sequence[Any]) -> list[pa.Array] | None:
        """Make all columns of a few rows by one call to Arrow; not where one is blank."""
        try:
            made = pa.array(list(map(asdict, rows)), self._attributes)
        except TypeError:
            return None
        return list(made.flatten())

    @cached_property
    def _attributes(self) -> pa.DataType:
        fields = enumerate(self.schema)
        return pa.struct([(attribute(number), field.type) for number, field in fields])

    def misfit(self, row: Any) -> str | None:
        """Say which field of a row its column cannot hold, or ``None`` where all fit."""
        for field, (fetch, make) in zip(self.schema, self._columns, strict=True):
            try:
                make([fetch(row)])
            except MISFIT as error:
                return f"field {field.name!r} does not fit {field.type}: {error}"
        return None


def _column(fetch: attrgetter[Any], make: ArrayBuilder, rows: Sequence[Any]) -> Any:
    return make(list(map(fetch, rows)))
