"""`FlatMapOperator`: makes any number of rows of each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sabot.columns import UserFunction
from sabot.types import Batch

__all__ = ["FlatMapOperator"]


class FlatMapOperator:
    """Calls a function that returns batches, tables or dicts, of any number of rows.

    Each row it returns must be made of one row it was given. Where the result does not
    show which (plain dicts do not), the function is called for each row alone; a function
    that works by ``b.take(...)`` keeps whole batches.

    Args:
        function: Called once per batch.
        name: The step's name.
        raw: Whether the function wants a ``pyarrow.RecordBatch`` proper.
    """

    repeatable = True

    def __init__(
        self, function: Callable[[Any], Any], *, name: str = "flat_map", raw: bool = False
    ) -> None:
        self.name = name
        self._function = UserFunction(function, step=name, raw=raw)

    def process(self, batch: Batch) -> Batch:
        """Return what the function makes of the rows."""
        return self._function.flat(batch) if batch.num_rows else batch
