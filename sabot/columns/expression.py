"""Values of an ``pyarrow.compute`` expression on a batch."""

from __future__ import annotations

from ast import literal_eval
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.types import Batch

__all__ = ["evaluate", "repeat"]

_TRUE, _FALSE = pc.scalar(True), pc.scalar(False)
_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def evaluate(expression: pc.Expression, batch: Batch) -> pa.Array:
    """Return one value for each row, in the rows' order.

    A plain literal such as ``pc.scalar(True)`` is repeated without asking the engine,
    which would cost more than most functions do.
    """
    constant = _constant(expression)
    if constant is not None:
        return pa.repeat(constant, batch.num_rows)
    from pyarrow import acero  # costs 40 ms to import, and most programs need none of it

    plan = acero.Declaration.from_sequence(
        [
            acero.Declaration(
                "table_source",
                acero.TableSourceNodeOptions(pa.Table.from_batches([batch.columns])),
            ),
            acero.Declaration("project", acero.ProjectNodeOptions([expression], ["value"])),
        ]
    )
    return _whole(plan.to_table(use_threads=False).column(0))


def repeat(value: Any, type_: pa.DataType | None, rows: int) -> pa.Array:
    """Return a column that holds one plain value in every row."""
    if value is None:
        return pa.nulls(rows, type_)
    type_ = type_ or _TYPES.get(type(value))
    scalar = value if isinstance(value, pa.Scalar) else pa.scalar(value, type_)
    return pa.repeat(scalar, rows)


def _constant(expression: pc.Expression) -> pa.Scalar | None:
    if expression.equals(_TRUE):
        return pa.scalar(True, pa.bool_())
    if expression.equals(_FALSE):
        return pa.scalar(False, pa.bool_())
    try:
        value = literal_eval(str(expression))
    except (ValueError, SyntaxError):
        return None
    type_ = _TYPES.get(type(value))
    if type_ is None:
        return None
    scalar = pa.scalar(value, type_)
    # The text of `pc.field("1")` is that of `pc.scalar(1)`; only this tells them apart.
    return scalar if expression.equals(pc.scalar(scalar)) else None


def _whole(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
