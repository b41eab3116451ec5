"""Bytes to arrays of the few types the wire knows, and back.

Which types those are is told by `sabot.codecs.avro.reducing`; what they mean is the
business of `sabot.codecs.avro.reading` and `sabot.codecs.avro.writing`.

pyruhvro decodes columns of these types without a Python object for each value. A schema
with a fixed that is not made of four bytes each, or of very many, goes through fastavro,
record by record.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sabot._optional import require
from sabot.codecs.avro import rows
from sabot.codecs.avro.bisecting import REFUSALS, halves
from sabot.codecs.avro.parting import empty, joiner, splitter
from sabot.codecs.avro.reducing import column_schema, least, row_schema
from sabot.codecs.avro.schema import Node
from sabot.errors import CodecError, DecodeError

__all__ = ["Found", "Wire", "wire_of"]

# Behind every payload: it is found where the record ends, unless bytes are left over.
_END = b"\x1dSabot\xe2\x3f"
_END_FIELD = {"name": "end", "type": "double"}
_END_VALUE = pa.scalar(int.from_bytes(_END, "little", signed=True), pa.int64())

# Behind that, only read to try records: of a last record that is added, it is refused.
_STOP_FIELD = {"name": "stop", "type": ["null", "boolean"]}
_GO_ON = b"\x00"
_STOP = b"\xda\xc4\x9e\x5b"

_ROW_REFUSALS = (ValueError, LookupError, EOFError, OverflowError, MemoryError, TypeError)
_LEFT_OVER = "bytes are left behind the end of the record"


class Found(NamedTuple):
    """What was read of some records.

    Attributes:
        arrays: One for each field; of the good records only.
        good: The numbers of the good records.
        bad: Those of the others, each with its error, in any order.
    """

    arrays: list[pa.Array]
    good: Sequence[int]
    bad: list[tuple[int, Exception]]


class Wire(Protocol):
    """Decodes and encodes the records of one schema."""

    def decode(self, values: Sequence[bytes], skip: int) -> Found:
        """Read records as far as they can be, whatever they mean.

        Args:
            values: The records.
            skip: How many bytes stand before each payload.

        Raises:
            CodecError, ValueError: If the good records are too much for one batch.
        """
        ...

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        """Return the bytes of each row."""
        ...


def wire_of(record: Node) -> Wire:
    """Return what decodes and encodes the records of a schema."""
    return RowWire(record) if record.needs_rows else ColumnWire(record)


class ColumnWire:
    """Through pyruhvro."""

    def __init__(self, record: Node) -> None:
        self._codec = require("pyruhvro", extra="avro", needed_by="codec 'avro'")
        schema = column_schema(record, "r")
        nodes = [field.node for field in record.fields]
        self._kept = [number for number, node in enumerate(nodes) if node.takes_bytes]
        if not self._kept:
            schema["fields"] = []
        self._schema = json.dumps(schema)
        ended = [*schema["fields"], _END_FIELD]
        self._read = json.dumps(schema | {"fields": ended})
        self._try = json.dumps(schema | {"fields": [*ended, _STOP_FIELD]})
        self._last = least(record) + _END + _STOP
        self._left_out = [node for node in nodes if not node.takes_bytes]
        self._joiners = [joiner(node) for node in nodes]
        self._splitters = [splitter(node) for node in nodes]
        self._stopped: str | None = None

    def decode(self, values: Sequence[bytes], skip: int) -> Found:
        behind = _END + _GO_ON
        ended = [value[skip:] + behind for value in values]
        good: Sequence[int] = range(len(values))
        bad: list[tuple[int, Exception]] = []
        try:
            batch = _unpanicked(self._codec.deserialize_array, ended, self._read)
        except REFUSALS:
            good, bad = self._readable(ended)
            rest = [ended[number] for number in good]
            batch = _unpanicked(self._codec.deserialize_array, rest, self._read)
        ends = pc.equal(batch.column(batch.num_columns - 1).view(pa.int64()), _END_VALUE)
        if pc.all(ends).as_py():
            return Found(self._arrays(batch), good, bad)
        longer = pc.indices_nonzero(pc.invert(ends)).to_pylist()
        bad += [(good[at], DecodeError(_LEFT_OVER)) for at in longer]
        good = [good[at] for at in pc.indices_nonzero(ends).to_pylist()]
        rest = [ended[number] for number in good]
        batch = _unpanicked(self._codec.deserialize_array, rest, self._read)
        return Found(self._arrays(batch), good, bad)

    def _arrays(self, batch: Any) -> list[pa.Array]:
        arrays = [empty(node, batch.num_rows) for node in self._left_out]
        for column, number in zip(batch.columns, self._kept, strict=False):
            join = self._joiners[number]
            arrays.insert(number, column if join is None else join(column))
        return arrays

    def _readable(self, ended: list[bytes]) -> tuple[list[int], list[tuple[int, Exception]]]:
        """Return which records can be read, and the others.

        The records of a stretch are good if what is refused is the one put behind them.
        So no columns are made, which would cost more than to read a short stretch.
        """
        stopped = self._how_it_stops()

        def attempt(first: int, last: int) -> range:
            try:
                stretch = ended[first:last]
                stretch.append(self._last)
                _unpanicked(self._codec.deserialize_array, stretch, self._try)
            except ValueError as error:
                if str(error) != stopped:
                    raise
            return range(first, last)

        made, bad = halves(attempt, len(ended))
        return [number for stretch in made for number in stretch], bad

    def _how_it_stops(self) -> str:
        if self._stopped is None:
            try:
                self._codec.deserialize_array([self._last], self._try)
            except ValueError as error:
                self._stopped = str(error)
        return self._stopped or ""

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        if not self._kept:
            return [b""] * len(columns[0])
        arrays = []
        for number in self._kept:
            split = self._splitters[number]
            arrays.append(columns[number] if split is None else split(columns[number]))
        names = [rows.field_name(number) for number in self._kept]
        batch = pa.RecordBatch.from_arrays(arrays, names=names)
        encoded: list[bytes] = []
        for chunk in _unpanicked(self._codec.serialize_record_batch, batch, self._schema, 1):
            encoded.extend(chunk.to_pylist())
        return encoded


def _unpanicked(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call into pyruhvro; what it panics about is the fault of a value, as an error is.

    A column of more than 2 GB is such a case: its batch is halved.
    """
    try:
        return call(*arguments)
    except BaseException as panic:
        # It has no type that could be imported, and is no Exception.
        if type(panic).__name__ != "PanicException":
            raise
        raise CodecError(f"the decoder gave up: {panic}") from panic


class RowWire:
    """Through fastavro."""

    def __init__(self, record: Node) -> None:
        fastavro = require("fastavro", extra="avro", needed_by="codec 'avro'")
        self._record = record
        self._schema = fastavro.parse_schema(row_schema(record, "r"))
        self._reader = fastavro.schemaless_reader
        self._writer = fastavro.schemaless_writer
        # There is a fixed at least: only `ColumnWire` has records without fields.
        self._names = [rows.field_name(number) for number in range(len(record.fields))]

    def decode(self, values: Sequence[bytes], skip: int) -> Found:
        read, schema, stream_of = self._reader, self._schema, io.BytesIO
        found, good = [], []
        bad: list[tuple[int, Exception]] = []
        for number, value in enumerate(values):
            stream = stream_of(value[skip:])
            try:
                row = read(stream, schema, None, True)
            except _ROW_REFUSALS as error:
                bad.append((number, error))
                continue
            if stream.read(1):
                bad.append((number, DecodeError(_LEFT_OVER)))
                continue
            found.append(row)
            good.append(number)
        arrays = [
            rows.build(field.node, list(map(itemgetter(name), found)))
            for name, field in zip(self._names, self._record.fields, strict=True)
        ]
        return Found(arrays, good, bad)

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        fields = [
            rows.values(field.node, column, rows.child_path("r", number))
            for number, (field, column) in enumerate(zip(self._record.fields, columns, strict=True))
        ]
        encoded = []
        for row in zip(*fields, strict=True):
            stream = io.BytesIO()
            self._writer(stream, self._schema, dict(zip(self._names, row, strict=True)))
            encoded.append(stream.getvalue())
        return encoded
