"""What a row says beside its value: the key, the headers, whether it is a tombstone."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.codec import Codec, Encoded
from sabot.errors import ColumnNotFoundError, EncodeError, SchemaMismatchError
from sabot.kafka.record_columns import RecordColumns
from sabot.runtime.python_values import python_values
from sabot.types import Batch, Headers

__all__ = ["RecordParts", "rows_of_nulls"]


class RecordParts:
    """Takes the columns that a sink was told to make keys and headers of.

    Args:
        columns: Which columns, and how keys are encoded.
        topic: The topic it writes to.
        step: What errors call the place.
    """

    def __init__(self, columns: RecordColumns, topic: str, step: str) -> None:
        self._columns = columns
        self._codec = columns.create_key_codec(topic)
        self._step = step

    @property
    def has_keys(self) -> bool:
        """Whether keys come from a column."""
        return self._codec is not None

    def body(self, batch: Batch) -> Batch:
        """Return the rows without those columns: what the value is made of."""
        taken = self._columns.names
        for name in taken:
            if name not in batch.schema.names:
                raise ColumnNotFoundError(column=name, columns=batch.schema.names, step=self._step)
        return batch.select([name for name in batch.schema.names if name not in taken])

    def keys(self, batch: Batch) -> tuple[list[bytes | None], dict[int, Exception]]:
        """Return each row's key, and by row why there is none."""
        assert self._codec is not None
        encoded, faults = _encoded(batch.column(self._columns.key_column), self._codec)
        values = iter(encoded.values)
        return [None if row in faults else next(values) for row in range(batch.num_rows)], faults

    def headers(self, batch: Batch) -> tuple[list[Headers] | None, dict[int, Exception]]:
        """Return each row's headers, if there is a column for them, and by row why not.

        Raises:
            SchemaMismatchError: If the column is no list of names and values.
        """
        name = self._columns.headers_column
        if name is None:
            return None, {}
        array = batch.column(name)
        if pa.types.is_null(array.type):
            return [[] for _ in range(len(array))], {}
        if not _holds_headers(array.type):
            raise SchemaMismatchError(
                f"{self._step!r} takes headers from the column {name!r}, which is of type "
                f"{array.type}; it must be a list of structs of a text 'name' and a 'value' of "
                "bytes or text"
            )
        rows, faults = python_values(array)
        headers: list[Headers] = []
        for number, row in enumerate(rows):
            given = [each for each in row or () if each is not None]
            if any(each["name"] is None for each in given):
                faults[number] = EncodeError(f"a header in column {name!r} has no name")
                given = []
            headers.append([(each["name"], _as_bytes(each["value"])) for each in given])
        return headers, faults


def rows_of_nulls(batch: Batch) -> list[bool]:
    """Say of each row whether all its columns are null.

    Example:
        >>> from sabot.types import RawBatch
        >>> rows = pa.RecordBatch.from_pydict({"a": [1, None], "b": [None, None]})
        >>> rows_of_nulls(Batch(rows, RawBatch((), ())))
        [False, True]
    """
    empty = pa.array([True] * batch.num_rows, pa.bool_())
    for column in batch.columns.columns:
        empty = pc.and_(empty, column.is_null())
    return list(empty.to_pylist())


def _encoded(array: Any, codec: Codec) -> tuple[Encoded, dict[int, Exception]]:
    """Encode keys; return those that could be, and by row why the others could not."""
    if getattr(codec, "single_column", False):
        encoded = codec.encode(pa.RecordBatch.from_arrays([array], names=["value"]))
        return encoded, {each.index: each.error for each in encoded.failures}
    rows, faults = python_values(array)
    there = [row for row in range(len(rows)) if row not in faults]
    encoded = codec.encode_rows([rows[row] for row in there])
    return encoded, faults | {there[each.index]: each.error for each in encoded.failures}


def _holds_headers(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    item = kind.value_type
    if not pa.types.is_struct(item) or {field.name for field in item} != {"name", "value"}:
        return False
    value = item.field("value").type
    return bool(
        pa.types.is_string(item.field("name").type)
        and (pa.types.is_binary(value) or pa.types.is_string(value) or pa.types.is_null(value))
    )


def _as_bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
