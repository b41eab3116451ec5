"""`MapOperator`: replaces a batch's columns by those a function makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sabot.columns import UserFunction
from sabot.types import Batch

__all__ = ["MapOperator"]


class MapOperator:
    """Calls a function that takes a batch and returns a RecordBatch or a Table.

    The function may leave rows out, repeat them or change their order; see
    `UserFunction.rows` for how their records stay known.

    Args:
        function: Called once per batch.
        name: The step's name.
        raw: Whether the function wants a ``pyarrow.RecordBatch`` proper.
        repeatable: False if the function must not see a row twice while the worker runs.
            It then gets batches of one row, which is slow, and a row that fails is not
            tried again. A row may still come twice after a restart.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        name: str = "map",
        raw: bool = False,
        repeatable: bool = True,
    ) -> None:
        self.name = name
        self.repeatable = repeatable
        self._function = UserFunction(function, step=name, raw=raw, by_row=not repeatable)

    def process(self, batch: Batch) -> Batch:
        """Return what the function makes of the rows."""
        return self._function.rows(batch) if batch.num_rows else batch
