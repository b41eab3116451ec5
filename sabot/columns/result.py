"""What a user's function gave back, taken for what it can only mean, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.columns.batch import BatchView
from sabot.columns.column import plain
from sabot.columns.expression import evaluate
from sabot.errors import FunctionResultError
from sabot.types import Batch

__all__ = ["as_mask", "as_rows", "as_verdict", "check_names", "describe", "one_batch", "refuse"]

_BOOL = pa.bool_()


def refuse(step: str, text: str, batch: Batch) -> FunctionResultError:
    """Return an error that names the step, what was got and which columns there are."""
    names = ", ".join(map(repr, batch.schema.names)) or "no columns"
    return FunctionResultError(
        f"the function of step {step!r} {text}; its input has {names}", step=step
    )


def describe(value: Any) -> str:
    """Say what a value is, for messages to people."""
    value = plain(value)
    if inspect.iscoroutine(value):
        value.close()
        return "a coroutine (write def, not async def)"
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return f"{len(value)} values of type {value.type}"
    if type(value) is BatchView:
        return "a RecordBatch"
    if isinstance(value, pa.Scalar):
        return f"one Arrow scalar of type {value.type}"
    name = type(value).__name__
    text = repr(value)
    if len(text) > 60 or value is None:
        return name if value is not None else "None"
    return f"{text} of type {name}"


def as_verdict(result: Any) -> bool | None:
    """Return one truth value for all rows, ``None`` if the result is anything else."""
    if isinstance(result, bool):
        return result
    if isinstance(result, pa.BooleanScalar):
        return result.as_py() is True
    if type(result).__module__ == "numpy" and type(result).__name__ in ("bool", "bool_"):
        return bool(result)
    return None


def as_mask(result: Any, batch: Batch, step: str) -> pa.BooleanArray:
    """Return the mask a predicate means: one boolean for each row.

    Raises:
        FunctionResultError: If it is no mask, or one for more or fewer rows.
    """
    mask = _mask_array(result, batch)
    if mask is None:
        raise refuse(
            step,
            f"returned {describe(result)} where a mask is needed, one boolean for each of the "
            f"{batch.num_rows} rows, such as b['name'] == 1 or pc.greater(b['name'], 1)",
            batch,
        )
    if mask.type == pa.null():
        mask = mask.cast(_BOOL)
    if mask.type != _BOOL:
        raise refuse(
            step, f"returned a mask of type {mask.type} instead of bool, {len(mask)} rows", batch
        )
    if len(mask) != batch.num_rows:
        raise refuse(
            step,
            f"returned a mask of {len(mask)} rows for a batch of {batch.num_rows} rows",
            batch,
        )
    return mask


def _mask_array(result: Any, batch: Batch) -> pa.Array | None:
    result = plain(result)
    if isinstance(result, pa.Array):
        return result
    if isinstance(result, pa.ChunkedArray):
        return result.combine_chunks()
    if isinstance(result, pc.Expression):
        return evaluate(result, batch)
    if isinstance(result, (list, tuple)):
        if all(each is None or as_verdict(each) is not None for each in result):
            return pa.array([None if x is None else as_verdict(x) for x in result], _BOOL)
        return None
    if type(result) is not BatchView and getattr(result, "ndim", 0) == 1:
        made = pa.array(result)
        return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
    return None


def as_rows(result: Any, batch: Batch, step: str) -> pa.RecordBatch:
    """Return the RecordBatch a map means.

    Raises:
        FunctionResultError: If it is no RecordBatch or Table, or names a column twice.
    """
    if type(result) is BatchView:
        rows = result.batch.columns
    elif isinstance(result, pa.Table):
        rows = one_batch(result)
    elif isinstance(result, pa.RecordBatch):
        rows = result
    else:
        hint = "; a return is missing" if result is None else ""
        raise refuse(
            step,
            f"returned {describe(result)} where a RecordBatch or a Table is needed{hint}",
            batch,
        )
    check_names(rows.schema.names, batch, step)
    return rows


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """Return a table's rows as one batch."""
    batches = table.combine_chunks().to_batches()
    if len(batches) == 1:
        return batches[0]
    arrays = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)


def check_names(names: Sequence[str], batch: Batch, step: str) -> None:
    """Refuse two columns of one name: a record can keep only one of them."""
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refuse(step, f"returned two columns named {twice!r}", batch)
