"""The values that travel between rooms: record, partition, batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from sabot.deferred import DeferredColumns

__all__ = ["Batch", "Headers", "RawBatch", "Record", "SourceRecord", "Stem", "TopicPartition"]

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """A partition of a topic; prints as ``orders[3]``."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class Record:
    """One record, decoded, with where it came from.

    Attributes:
        value: As the codec decoded it; ``None`` for a tombstone.
        key: The key's bytes, or ``None``; with a ``key_codec_type``, as that decoded it.
        headers: Name and bytes, in the producer's order; names may repeat.
        topic, partition, offset: Its place in the log.
        timestamp: Milliseconds since the epoch, or ``None`` where the broker has none.
    """

    value: Any
    key: Any
    headers: Headers
    topic: str
    partition: int
    offset: int
    timestamp: int | None


class SourceRecord(Protocol):
    """A record as a source read it, still bytes.

    The methods are those of the Kafka client's own message, so that the hot path hands
    on the client's objects without wrapping each of them.
    """

    def value(self) -> bytes | None: ...
    def key(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...
    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def timestamp(self) -> tuple[int, int]:
        """Return ``(kind, milliseconds)``; kind 0 means there is none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """What a source read in one go: records as bytes, in offset order per partition.

    Attributes:
        records: The records; empty where the source made columns directly.
        values: ``record.value()`` of each, taken once since every reader needs them.
        next_offsets: Per partition the offset to read next once this batch is finished.
            It counts gaps and end-of-partition, so it may be ahead of the last record,
            and a batch without records may still move it.
        epochs: Per partition the assignment under which the records were read; a record
            whose partition has another epoch by now is stale and must be dropped.
        columns: Rows that never were bytes (``from_batches``); else ``None``.
        size: Bytes of keys and values, about; what mailboxes count.
    """

    records: Sequence[SourceRecord]
    values: Sequence[bytes | None]
    next_offsets: Mapping[TopicPartition, int] = field(default_factory=dict)
    epochs: Mapping[TopicPartition, int] = field(default_factory=dict)
    columns: pa.RecordBatch | None = None
    size: int = 0

    def __len__(self) -> int:
        return len(self.records) if self.columns is None else int(self.columns.num_rows)

    def where(self, number: int) -> str:
        """Say ``topic[partition]@offset`` of one record, for messages to people."""
        if not self.records:
            return f"row {number}"
        record = self.records[number]
        return f"{record.topic()}[{record.partition()}]@{record.offset()}"


class Stem(NamedTuple):
    """Which field of the record a column stands for.

    Attributes:
        field: The field's name in the record.
        changed: Whether a step has put other values in its place.
    """

    field: str
    changed: bool


class Batch:
    """Rows on their way through operators: columns plus lineage. Never changes.

    The columns of decoded records are made when they are asked for: `column`, `schema`,
    `filter`, `take`, `slice`, `append_column` and `select` touch no more than they must,
    while `columns` makes all of them.

    Args:
        columns: The columns as steps see them, made or deferred.
        origin: The raw batch the rows came from.
        index: Row number to record number in ``origin``; ``None`` says row i is record i
            and no record is missing.
        decoded: The columns the codec made of the record.
        intact: Those of ``decoded`` that still hold, row by row, what the record said.
            While all are intact and present, a row's own bytes say the same as its
            columns (and perhaps lack columns that steps added).
        stems: The fields that columns which are no longer intact stand for: those that
            steps have renamed, or replaced by columns of the same name. A null in such a
            column is no null in the record where that lacks the field.
    """

    __slots__ = ("_columns", "decoded", "index", "intact", "origin", "stems")

    def __init__(
        self,
        columns: pa.RecordBatch | DeferredColumns,
        origin: RawBatch,
        index: pa.Int32Array | None = None,
        decoded: tuple[str, ...] = (),
        intact: frozenset[str] = frozenset(),
        stems: Mapping[str, Stem] | None = None,
    ) -> None:
        self._columns = columns
        self.origin = origin
        self.index = index
        self.decoded = decoded
        self.intact = intact
        self.stems = stems or {}

    @property
    def columns(self) -> pa.RecordBatch:
        """All columns, made."""
        columns = self._columns
        return columns.materialize() if isinstance(columns, DeferredColumns) else columns

    @property
    def schema(self) -> pa.Schema:
        """The columns' names and types."""
        return self._columns.schema

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return int(self._columns.num_rows)

    def column(self, key: int | str) -> pa.Array:
        """Return one column by number or name.

        Raises:
            KeyError: If there is none of that name.
        """
        return self._columns[key]

    def append_column(self, field: str | pa.Field, array: pa.Array) -> Batch:
        """Return the same rows with one more column."""
        return self.with_columns(self._columns.append_column(field, array))

    def select(self, names: Sequence[str]) -> Batch:
        """Return the same rows with these columns only, in this order."""
        return self.with_columns(self._columns.select(list(names)))

    def with_columns(
        self,
        columns: pa.RecordBatch | DeferredColumns,
        *,
        changed: Collection[str] = (),
        renamed: Mapping[str, str] | None = None,
        index: pa.Int32Array | None = None,
    ) -> Batch:
        """Return rows with other columns.

        Args:
            columns: The columns.
            changed: Those of the old names that hold other values.
            renamed: New names to old ones, of columns that hold the same values.
            index: Row number to record number, where that is not what it was.
        """
        was = renamed or {}
        names = columns.schema.names
        intact = self.intact.intersection(names).difference(changed, was)
        stems: dict[str, Stem] = {}
        for name in names:
            stem = None if name in intact else self.stem(was.get(name, name))
            if stem is not None:
                stems[name] = Stem(stem.field, stem.changed or name in changed)
        return Batch(
            columns,
            self.origin,
            self.index if index is None else index,
            self.decoded,
            intact,
            stems,
        )

    def stem(self, name: str) -> Stem | None:
        """Return the field of the record that a column stands for, if it is one's."""
        return Stem(name, False) if name in self.intact else self.stems.get(name)

    def record_numbers(self) -> list[int]:
        """Return each row's number in ``origin``."""
        if self.index is None:
            return list(range(self.num_rows))
        return self.index.to_pylist()  # type: ignore[no-any-return]

    def index_array(self) -> pa.Int32Array:
        """Return ``index``, made explicit where it is the identity."""
        if self.index is not None:
            return self.index
        return _identity(self.num_rows)

    def filter(self, mask: pa.BooleanArray) -> Batch:
        """Keep the rows whose mask is true; null counts as false."""
        return self._with_rows(self._columns.filter(mask), self.index_array().filter(mask))

    def take(self, rows: pa.Array) -> Batch:
        """Return the rows with these numbers, in this order."""
        return self._with_rows(self._columns.take(rows), self.index_array().take(rows))

    def slice(self, offset: int, length: int) -> Batch:
        """Return ``length`` rows from ``offset`` on, without copying."""
        if offset == 0 and length == self.num_rows:
            return self
        return self._with_rows(
            self._columns.slice(offset, length), self.index_array().slice(offset, length)
        )

    def _with_rows(self, columns: pa.RecordBatch | DeferredColumns, index: pa.Int32Array) -> Batch:
        return Batch(columns, self.origin, index, self.decoded, self.intact, self.stems)

    def where(self, row: int) -> str:
        """Say ``topic[partition]@offset`` of one row, for messages to people."""
        return self.origin.where(self.record_number(row))

    def record_number(self, row: int) -> int:
        """Return the number in ``origin`` of the record that became this row."""
        return row if self.index is None else int(self.index[row].as_py())


_counted: list[pa.Int32Array] = [pa.array(range(1024), pa.int32())]


def _identity(count: int) -> pa.Int32Array:
    """Return 0..count-1, as a slice of one array that is counted out once."""
    if len(_counted[0]) < count:
        _counted[0] = pa.array(range(2 * count), pa.int32())
    return _counted[0].slice(0, count)
