"""`WithColumnsOperator`: adds columns, or replaces them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from sabot.columns import UserFunction
from sabot.columns.batch import values_for
from sabot.errors import FunctionResultError, SchemaMismatchError
from sabot.types import Batch

__all__ = ["WithColumnsOperator"]


class WithColumnsOperator:
    """Adds columns at the end; one whose name is there already is replaced in its place.

    All of them are computed from the batch as it came in, so none sees another.

    Args:
        columns: Name to value: a function of the batch that returns one value for each
            row or one for all, an expression, or a plain value.
        name: The step's name.
        raw: Whether the functions want a ``pyarrow.RecordBatch`` proper.
    """

    repeatable = True

    def __init__(
        self, columns: Mapping[str, Any], *, name: str = "with_columns", raw: bool = False
    ) -> None:
        self.name = name
        self._columns: dict[str, Callable[[Batch], pa.Array]] = {
            column: UserFunction(value, step=name, raw=raw).values
            if callable(value)
            else self._constant(value)
            for column, value in columns.items()
        }

    def process(self, batch: Batch) -> Batch:
        """Return the rows with the columns added.

        Raises:
            FunctionResultError: If there are more or fewer values than rows.
        """
        if not batch.num_rows:
            return batch
        columns = batch.columns
        for column, values in self._columns.items():
            array = values(batch)
            position = columns.schema.get_field_index(column)
            columns = (
                columns.append_column(column, array)
                if position < 0
                else columns.set_column(position, column, array)
            )
        return batch.with_columns(columns, changed=self._columns)

    def _constant(self, value: Any) -> Callable[[Batch], pa.Array]:
        def values(batch: Batch) -> pa.Array:
            try:
                return values_for(batch, value)
            except SchemaMismatchError as error:
                raise FunctionResultError(f"step {self.name!r}: {error}", step=self.name) from error

        return values
