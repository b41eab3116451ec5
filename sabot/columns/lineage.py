"""Which record each row of a function's result came from."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sabot.columns.result import one_batch, refuse
from sabot.errors import SchemaMismatchError
from sabot.types import Batch, Stem

__all__ = ["ROW", "all_from", "by_number", "common_stems", "in_order", "joined", "numbered"]

ROW = "__row__"
"""The column that carries row numbers through code which knows RecordBatches only."""


def numbered(batch: Batch) -> pa.RecordBatch:
    """Return the columns with each row's number behind them."""
    if ROW in batch.columns.schema.names:
        raise SchemaMismatchError(f"a column of the input is named {ROW!r}, which is kept for rows")
    numbers = Batch(batch.columns, batch.origin).index_array()
    return batch.columns.append_column(ROW, numbers)


def by_number(batch: Batch, rows: pa.RecordBatch) -> Batch | None:
    """Place rows by the numbers `numbered` gave them; ``None`` if they are gone."""
    position = rows.schema.get_field_index(ROW)
    if position < 0:
        return None
    numbers, rows = rows.column(position), rows.remove_column(position)
    if numbers.type != pa.int32() or numbers.null_count:
        return None
    if len(numbers):
        ends = pc.min_max(numbers).as_py()
        if ends["min"] < 0 or ends["max"] >= batch.num_rows:
            return None
    before = batch.columns
    changed = {
        name
        for name in _stemming(batch, rows)
        if not rows.column(name).equals(before.column(name).take(numbers))
    }
    return batch.with_columns(rows, changed=changed, index=batch.index_array().take(numbers))


def in_order(batch: Batch, rows: pa.RecordBatch) -> Batch:
    """Place as many rows as there were, taken to be in the same order."""
    before = batch.columns
    changed = {
        name
        for name in _stemming(batch, rows)
        if not _is_same(before.column(name), rows.column(name))
    }
    return batch.with_columns(rows, changed=changed)


def all_from(batch: Batch, rows: pa.RecordBatch) -> Batch:
    """Place any number of rows that were made of a batch of one row."""
    if rows.num_rows == 1:
        return in_order(batch, rows)
    number = pa.scalar(batch.record_number(0), pa.int32())
    index = pa.repeat(number, rows.num_rows)
    return batch.with_columns(rows, changed=rows.schema.names, index=index)


def joined(batch: Batch, parts: Sequence[Batch], step: str) -> Batch:
    """Return parts of one batch's result as one, with the columns of all of them.

    Raises:
        FunctionResultError: If a column's types in two parts do not go together.
    """
    some = [part for part in parts if part.num_rows]
    if not some:
        columns = parts[0].columns if parts else batch.columns.slice(0, 0)
        return Batch(columns, batch.origin, pa.array([], pa.int32()), batch.decoded)
    tables = [pa.Table.from_batches([part.columns]) for part in some]
    try:
        rows = one_batch(pa.concat_tables(tables, promote_options="permissive"))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise refuse(step, f"returned parts that do not go together: {error}", batch) from error
    intact = frozenset.intersection(*(part.intact for part in some))
    index = pa.concat_arrays([part.index_array() for part in some])
    same = frozenset(name for name in intact if rows.column(name).type == batch.column(name).type)
    return Batch(
        rows, batch.origin, index, batch.decoded, same, common_stems(some, rows.schema.names, same)
    )


def common_stems(
    parts: Sequence[Batch], names: Sequence[str], intact: frozenset[str]
) -> dict[str, Stem]:
    """Return the fields that columns stand for in all of several parts.

    Args:
        parts: The parts.
        names: The columns they have together.
        intact: Those that need no word.
    """
    found: dict[str, Stem] = {}
    for name in names:
        stems = {part.stem(name) for part in parts} if name not in intact else {None}
        fields = {stem and stem.field for stem in stems}
        if None not in stems and len(fields) == 1:
            changed = any(stem.changed for stem in stems if stem)
            found[name] = Stem(fields.pop() or "", changed)
    return found


def _stemming(batch: Batch, rows: pa.RecordBatch) -> list[str]:
    """Return the columns of both that stand for fields of records."""
    before = set(batch.schema.names)
    names = rows.schema.names
    return [name for name in names if name in before and batch.stem(name) is not None]


def _is_same(left: pa.Array, right: pa.Array) -> bool:
    if left is right:
        return True
    if left.type != right.type or left.offset != right.offset or len(left) != len(right):
        return False
    if pa.types.is_dictionary(left.type) and not _is_same(left.dictionary, right.dictionary):
        return False
    return [buffer and buffer.address for buffer in left.buffers()] == [
        buffer and buffer.address for buffer in right.buffers()
    ]
