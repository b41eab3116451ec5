"""One schema's records: decoded as another schema's columns, and encoded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sabot._optional import require
from sabot.codecs.avro.bisecting import REFUSALS, halves
from sabot.codecs.avro.claims import Claims
from sabot.codecs.avro.columns import arrow_schema
from sabot.codecs.avro.reading import Make, column_makers
from sabot.codecs.avro.schema import Schema
from sabot.codecs.avro.wire import wire_of
from sabot.codecs.avro.writing import column_writer
from sabot.errors import CodecError, DecodeError, EncodeError

__all__ = ["Reading", "RowReading", "RowWriting", "Writing"]

_ROW_REFUSALS = (*REFUSALS, EOFError, TypeError, AttributeError, MemoryError)


class Reading:
    """Decodes what was written by one schema into the columns of another.

    Raises:
        DecodeError: If the one cannot be read as the other.
    """

    def __init__(self, writer: Schema, wanted: Schema, *, lenient: bool) -> None:
        self._name = writer.root.label
        self._wire = wire_of(writer.record)
        self._claims = Claims(writer.record, wanted.record)
        self._makers = column_makers(writer.record, wanted.record, lenient=lenient)
        self.schema = arrow_schema(wanted.record)

    def decode(
        self, values: Sequence[bytes], skip: int
    ) -> tuple[list[pa.RecordBatch], list[tuple[int, DecodeError]]]:
        """Return the rows of the good records, and the bad ones by number.

        Args:
            values: The records.
            skip: How many bytes stand before each payload.
        """
        bad: list[tuple[int, Exception]] = []

        def attempt(first: int, last: int) -> pa.RecordBatch:
            batch, failed = self._decode(values[first:last], skip)
            bad.extend((first + number, error) for number, error in failed)
            return batch

        # What single records are to blame for does not fail here: it is size that does.
        made, unfit = halves(attempt, len(values))
        return made, [
            (number, self._failure(error)) for number, error in sorted(bad + unfit, key=_first)
        ]

    def _decode(
        self, values: Sequence[bytes], skip: int
    ) -> tuple[pa.RecordBatch, list[tuple[int, Exception]]]:
        modest, refused = self._claims.sifted(values, skip)
        if refused:
            batch, bad = self._decode([values[number] for number in modest], skip)
            return batch, [*refused, *((modest[at], error) for at, error in bad)]
        arrays, good, bad = self._wire.decode(values, skip)
        try:
            return self._batch(arrays, len(good)), bad
        except REFUSALS:
            unfit = self._unfit(arrays, len(good))
        if not unfit:
            raise CodecError("the records fit only one by one")
        bad += [(good[at], error) for at, error in unfit.items()]
        fit = pa.array([at for at in range(len(good)) if at not in unfit], pa.int64())
        return self._batch([array.take(fit) for array in arrays], len(fit)), bad

    def _batch(self, arrays: Sequence[pa.Array], count: int) -> pa.RecordBatch:
        columns = [make(arrays, None, count) for make in self._makers]
        if not columns:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _unfit(self, arrays: Sequence[pa.Array], count: int) -> dict[int, Exception]:
        """Return the rows of which a column cannot be made, each with its first error.

        Each column is searched on its own: the others are good all the same.
        """
        unfit: dict[int, Exception] = {}
        for make in self._makers:

            def attempt(first: int, last: int, make: Make = make) -> None:
                make(_Sliced(arrays, first, last - first), None, last - first)

            for at, error in halves(attempt, count)[1]:
                unfit.setdefault(at, error)
        return unfit

    def _failure(self, error: Exception) -> DecodeError:
        failure = DecodeError(f"the value is no {self._name!r} in Avro: {error}")
        failure.__cause__ = error
        return failure


class RowReading:
    """Decodes what was written by one schema into Python objects, by another schema."""

    def __init__(self, writer: Schema, wanted: Schema | None) -> None:
        fastavro = require("fastavro", extra="avro", needed_by="codec 'avro'")
        self._read = fastavro.schemaless_reader
        self._name = writer.root.label
        self._writer = writer.parsed
        self._wanted = None if wanted is None or wanted == writer else wanted.parsed
        self._claims = Claims(writer.record, (wanted or writer).record)

    def decode(self, value: bytes, skip: int) -> Any:
        """Return one record.

        Raises:
            DecodeError: If it cannot be read.
        """
        stream = io.BytesIO(value)
        stream.seek(skip)
        try:
            self._claims.check(value, skip)
            row = self._read(stream, self._writer, self._wanted)
        except _ROW_REFUSALS as error:
            raise DecodeError(
                f"the value is no {self._name!r} in Avro: {type(error).__name__}: {error}"
            ) from error
        if stream.tell() != len(value):
            raise DecodeError(
                f"the value is no {self._name!r} in Avro: bytes are left behind its end"
            )
        return row


class Writing:
    """Encodes columns as records of a schema.

    Raises:
        SchemaMismatchError: If columns of these types do not fit the schema.
    """

    def __init__(self, schema: Schema, columns: pa.Schema) -> None:
        self._name = schema.root.label
        self._wire = wire_of(schema.record)
        self._prepare = column_writer(schema.record, columns)

    def encode(
        self, columns: pa.RecordBatch, prefix: bytes
    ) -> tuple[list[bytes], list[tuple[int, EncodeError]]]:
        """Return the bytes of the good rows, and the bad ones by number."""

        def attempt(first: int, last: int) -> list[bytes]:
            part = columns.slice(first, last - first)
            prepared = self._prepare(part)
            return self._wire.encode(prepared) if prepared else [b""] * part.num_rows

        made, bad = halves(attempt, columns.num_rows)
        values = [prefix + value for part in made for value in part]
        return values, [(number, self._failure(error)) for number, error in bad]

    def _failure(self, error: Exception) -> EncodeError:
        failure = EncodeError(f"the row cannot be written as {self._name!r} in Avro: {error}")
        failure.__cause__ = error
        return failure


class RowWriting:
    """Encodes Python objects as records of a schema."""

    def __init__(self, schema: Schema) -> None:
        fastavro = require("fastavro", extra="avro", needed_by="codec 'avro'")
        self._write = fastavro.schemaless_writer
        self._name = schema.root.label
        self._schema = schema.parsed

    def encode(self, row: Any, prefix: bytes) -> bytes:
        """Return the bytes of one object.

        Raises:
            EncodeError: If it does not fit the schema.
        """
        stream = io.BytesIO(prefix)
        stream.seek(len(prefix))
        try:
            self._write(stream, self._schema, row)
        except _ROW_REFUSALS as error:
            raise EncodeError(
                f"the row cannot be written as {self._name!r} in Avro: "
                f"{type(error).__name__}: {error}"
            ) from error
        return stream.getvalue()


class _Sliced(Sequence[Any]):
    """A stretch of arrays, each of them cut when it is asked for."""

    def __init__(self, arrays: Sequence[Any], first: int, count: int) -> None:
        self._arrays, self._first, self._count = arrays, first, count

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, number: Any) -> Any:
        return self._arrays[number].slice(self._first, self._count)


def _first(pair: tuple[int, Exception]) -> int:
    return pair[0]
