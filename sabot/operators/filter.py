"""`FilterOperator`: keeps the rows for which a predicate is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sabot.columns import UserFunction
from sabot.types import Batch

__all__ = ["FilterOperator"]


class FilterOperator:
    """Keeps rows; null counts as false.

    Args:
        predicate: Called once per batch; see `UserFunction.mask` for what it may return.
        name: The step's name.
        raw: Whether the predicate wants a ``pyarrow.RecordBatch`` proper.
    """

    repeatable = True

    def __init__(
        self, predicate: Callable[[Any], Any], *, name: str = "filter", raw: bool = False
    ) -> None:
        self.name = name
        self._function = UserFunction(predicate, step=name, raw=raw)

    def process(self, batch: Batch) -> Batch:
        """Return the rows that are kept; the batch itself if all are."""
        if not batch.num_rows:
            return batch
        mask = self._function.mask(batch)
        return batch if mask.true_count == batch.num_rows else batch.filter(mask)
