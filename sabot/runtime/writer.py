"""Rows to records: the end of a branch that writes to Kafka."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabot.codecs.codec import Codec, Encoded, Failure
from sabot.codecs.document_codec import DocumentCodec
from sabot.errors import ColumnNotFoundError, FunctionResultError
from sabot.kafka.producer import KafkaProducer, Parcel
from sabot.kafka.sink import KafkaSinkConfig
from sabot.runtime.faults import RowFault
from sabot.runtime.outgoing import RecordParts, rows_of_nulls
from sabot.runtime.policy import Stage
from sabot.runtime.python_values import python_rows, python_values
from sabot.types import Batch, Headers

__all__ = ["Prepared", "Writer"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows ready to leave, and those that cannot.

    Attributes:
        batch: The rows that can; ``values``, ``keys`` and ``headers`` belong to them.
    """

    batch: Batch
    values: Sequence[bytes | None] = ()
    keys: Sequence[bytes | None] = ()
    headers: Sequence[Headers] | None = None
    faults: Sequence[RowFault] = ()


class Writer:
    """Encodes the rows of a branch and hands them to a producer.

    A row that no step changed is written with the bytes it came in; one to which steps
    only added columns gets those added to its bytes; any other is encoded anew. Where both
    formats are documents, a field that was missing stays missing, under another name too; a
    null that a step made is written, except in the place of a field that was missing.

    Args:
        config: The sink.
        producer: The producer for its cluster and options.
        name: What errors call this end of the plan.
    """

    def __init__(self, config: KafkaSinkConfig, producer: KafkaProducer, name: str) -> None:
        self.config = config
        self.producer = producer
        self.name = name
        self._codec = config.create_codec()
        self._parts: RecordParts | None = None
        if config.columns.names:
            self._parts = RecordParts(config.columns, config.topic, name)

    def prepare(self, batch: Batch, source_codec: Codec | None) -> Prepared:
        """Encode rows and find their keys; sends nothing.

        Args:
            batch: The rows.
            source_codec: The codec that decoded them; ``None`` for rows that never were
                bytes.
        """
        if batch.num_rows == 0:
            return Prepared(batch)
        encoded = self._body(batch, source_codec)
        faults = [self._fault(batch, failure.index, failure.error) for failure in encoded.failures]
        values = encoded.values
        if faults:
            bad = {failure.index for failure in encoded.failures}
            batch = _rows(batch, [row for row in range(batch.num_rows) if row not in bad])
        keys, wrong = self._keys(batch)
        headers: Sequence[Headers] | None = None
        if self._parts is not None:
            headers, without = self._parts.headers(batch)
            wrong = without | wrong
        if wrong:
            faults += [self._fault(batch, row, error) for row, error in sorted(wrong.items())]
            keep = [row for row in range(batch.num_rows) if row not in wrong]
            values, keys = [values[row] for row in keep], [keys[row] for row in keep]
            headers = None if headers is None else [headers[row] for row in keep]
            batch = _rows(batch, keep)
        return Prepared(batch, values, keys, headers, faults)

    def send(self, prepared: Prepared) -> Parcel | None:
        """Hand prepared rows to the producer; waits where its queue is full."""
        batch = prepared.batch
        if batch.num_rows == 0:
            return None
        numbers = batch.record_numbers()
        return self.producer.send(
            self.config.topic,
            prepared.values,
            prepared.keys,
            self._timestamps(batch, numbers),
            rows=numbers,
            headers=prepared.headers,
            context=(self, batch.origin),
        )

    def _fault(self, batch: Batch, row: int, error: Exception) -> RowFault:
        return RowFault(batch.origin, batch.record_number(row), Stage.WRITE, self.name, error)

    def _body(self, batch: Batch, source_codec: Codec | None) -> Encoded:
        """Encode rows without what becomes their keys and headers."""
        body = batch if self._parts is None else self._parts.body(batch)
        empty = rows_of_nulls(body) if self.config.tombstones else []
        if not any(empty):
            return self._encode(body, source_codec)
        full = [row for row, gone in enumerate(empty) if not gone]
        encoded = self._encode(_rows(body, full), source_codec)
        failures = [Failure(full[each.index], each.error) for each in encoded.failures]
        bad = {failure.index for failure in failures}
        values = iter(encoded.values)
        written = [
            None if gone else next(values) for row, gone in enumerate(empty) if row not in bad
        ]
        return Encoded(written, failures)

    def _encode(self, batch: Batch, source_codec: Codec | None) -> Encoded:
        decoded = batch.decoded
        untouched = (
            source_codec is not None
            and self._codec.reads_as(source_codec)
            and batch.intact.issuperset(decoded)
        )
        if untouched:
            names = batch.schema.names
            added = [name for name in names if name not in batch.intact]
            if len(added) == len(names) - len(decoded):
                values = _values(batch)
                if not added:
                    return Encoded(values)
                extended = self._codec.extend(values, batch.select(added).columns)
                if extended is not None:
                    return extended
        return self._encode_anew(batch, source_codec)

    def _encode_anew(self, batch: Batch, source_codec: Codec | None) -> Encoded:
        """Encode rows; a field that a record did not have does not become a null."""
        columns, sink_codec = batch.columns, self._codec
        if (
            source_codec is not None
            and isinstance(source_codec, DocumentCodec)
            and isinstance(sink_codec, DocumentCodec)
        ):
            stems = {name: batch.stem(name) for name in columns.schema.names}
            read = {name: stem for name, stem in stems.items() if stem is not None}
            if any(_may_lack(columns.column(name)) for name in read):
                found = source_codec.decode_rows(_values(batch))
                if not found.failures:
                    return sink_codec.encode_found(columns, found.rows, read)
        return self._codec.encode(columns)

    def _keys(self, batch: Batch) -> tuple[Sequence[bytes | None], dict[int, Exception]]:
        key = self.config.key
        if self._parts is not None and self._parts.has_keys:
            return self._parts.keys(batch)
        if isinstance(key, str):
            return self._column_keys(batch, key)
        if key is not None:
            return self._extracted_keys(batch, key)
        records = batch.origin.records
        if not records:
            return [None] * batch.num_rows, {}
        return [records[number].key() for number in batch.record_numbers()], {}

    def _column_keys(
        self, batch: Batch, name: str
    ) -> tuple[list[bytes | None], dict[int, Exception]]:
        if name not in batch.schema.names:
            raise ColumnNotFoundError(column=name, columns=batch.schema.names, step=self.name)
        values, faults = python_values(batch.column(name))
        return [as_key(value) for value in values], faults

    def _extracted_keys(
        self, batch: Batch, extract: Callable[[dict[str, Any]], Any]
    ) -> tuple[list[bytes | None], dict[int, Exception]]:
        keys: list[bytes | None] = []
        rows, faults = python_rows(batch.columns)
        for row, values in enumerate(rows):
            try:
                key = None if row in faults else extract(values)
            except Exception as error:
                faults[row] = error
                keys.append(None)
                continue
            if key is not None and not isinstance(key, bytes):
                raise FunctionResultError(
                    f"the key_extractor of {self.name!r} must return bytes; it returned "
                    f"{type(key).__name__} {key!r}",
                    step=self.name,
                )
            keys.append(key)
        return keys, faults

    @staticmethod
    def _timestamps(batch: Batch, numbers: Sequence[int]) -> list[int]:
        records = batch.origin.records
        if not records:
            return [0] * batch.num_rows
        stamps = [records[number].timestamp() for number in numbers]
        return [stamp[1] if stamp[0] else 0 for stamp in stamps]


def _rows(batch: Batch, rows: Sequence[int]) -> Batch:
    return batch.take(pa.array(rows, pa.int32()))


def _values(batch: Batch) -> Sequence[bytes | None]:
    values = batch.origin.values
    if batch.index is None:
        return values
    return [values[number] for number in batch.index.to_pylist()]


def _may_lack(column: pa.Array) -> bool:
    """Whether a record behind the column may have had no such field, or lack one within."""
    return bool(column.null_count) or pa.types.is_nested(column.type)


def as_key(value: Any) -> bytes | None:
    """Return a column's value as a record key: text as UTF-8, numbers as their digits.

    Example:
        >>> as_key("a"), as_key(7), as_key(None), as_key(b"raw")
        (b'a', b'7', None, b'raw')
    """
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()
