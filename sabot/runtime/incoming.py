"""Columns made of what a record has beside its value: the key, the headers."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded
from sabot.errors import PlanError
from sabot.kafka.record_columns import RecordColumns
from sabot.runtime.faults import RowFault
from sabot.runtime.policy import Stage
from sabot.types import Batch, SourceRecord

__all__ = ["HEADERS", "Incoming"]

HEADERS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))
"""The type of a column of headers: all of them, in the producer's order."""

_BARE = "value"
"""What a value that is no document is called beside a key or headers."""


class Incoming:
    """Adds the columns that a source was asked for.

    Args:
        columns: What was asked for.
        topic: The topic it reads.
        step: What errors call the place.
    """

    def __init__(self, columns: RecordColumns, topic: str, step: str) -> None:
        self._columns = columns
        self._codec = columns.create_key_codec(topic)
        self._step = step

    def attach(self, batch: Batch) -> tuple[Batch, list[RowFault]]:
        """Return rows with the added columns, and those whose key cannot be decoded.

        Raises:
            PlanError: If the value has a column of that name.
        """
        self._refuse_taken(batch.schema.names)
        faults: list[RowFault] = []
        if self._codec is not None:
            batch, faults = self._with_key(batch, self._codec)
        if self._columns.headers_column is not None:
            records = batch.origin.records
            headers = [records[number].headers() or [] for number in batch.record_numbers()]
            batch = batch.append_column(self._columns.headers_column, pa.array(headers, HEADERS))
        return batch, faults

    def attach_rows(
        self, records: Sequence[SourceRecord], rows: Sequence[Any]
    ) -> tuple[list[dict[str, Any]], dict[int, Exception]]:
        """Return Python values with what is asked for, and the errors of keys by number.

        It comes into the document by the names of the columns; a value that is none, such
        as a text or a tombstone's ``None``, becomes ``{"value": ...}`` first.

        Args:
            records: The records.
            rows: Their decoded values, one for each.

        Raises:
            PlanError: If a value has something of that name.
        """
        errors: dict[int, Exception] = {}
        keys: list[Any] = []
        if self._codec is not None:
            decoded = self._codec.decode_rows([record.key() for record in records])
            errors = {failure.index: failure.error for failure in decoded.failures}
            good = iter(decoded.rows)
            keys = [None if n in errors else next(good) for n in range(len(records))]
        made: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            if number in errors:
                continue
            event = dict(row) if isinstance(row, dict) else {_BARE: row}
            self._refuse_taken(event)
            if self._codec is not None:
                event[self._columns.key_column] = keys[number]
            if self._columns.headers_column is not None:
                headers = records[number].headers() or ()
                event[self._columns.headers_column] = [
                    {"name": name, "value": value} for name, value in headers
                ]
            made.append(event)
        return made, errors

    def _refuse_taken(self, names: Container[str]) -> None:
        for name in self._columns.names:
            if name in names:
                raise PlanError(
                    f"{self._step!r} adds the column {name!r}, but the value has one of that name; "
                    "give key_column or headers_column another"
                )

    def _with_key(self, batch: Batch, codec: Codec) -> tuple[Batch, list[RowFault]]:
        records, numbers = batch.origin.records, batch.record_numbers()
        keys = [records[number].key() for number in numbers]
        decoded = codec.decode(keys)
        faults: list[RowFault] = []
        if decoded.failures:
            errors = {failure.index: failure.error for failure in decoded.failures}
            faults = [
                RowFault(batch.origin, numbers[row], Stage.DECODE, self._step, error)
                for row, error in errors.items()
            ]
            good = [row for row in range(batch.num_rows) if row not in errors]
            batch = batch.take(pa.array(good, pa.int32()))
            keys = [keys[row] for row in good]
        array = _as_one(decoded, codec, [key is None for key in keys])
        return batch.append_column(self._columns.key_column, array), faults


def _as_one(decoded: Decoded, codec: Codec, missing: list[bool]) -> Any:
    columns = decoded.columns
    if getattr(codec, "single_column", False):
        return columns.column(0)
    if columns.num_columns == 0:
        return pa.array([None if gone else {} for gone in missing], pa.struct([]))
    return pa.StructArray.from_arrays(
        columns.columns, fields=list(columns.schema), mask=pa.array(missing, pa.bool_())
    )
