"""`SelectOperator`: keeps some columns, in the order named."""

from __future__ import annotations

from collections.abc import Sequence

from sabot.errors import ColumnNotFoundError
from sabot.types import Batch

__all__ = ["SelectOperator"]


class SelectOperator:
    """Keeps the named columns; a batch without rows may lack some of them.

    Args:
        columns: Their names.
        name: The step's name.
    """

    repeatable = True

    def __init__(self, columns: Sequence[str], *, name: str = "select") -> None:
        self.name = name
        self.columns = tuple(columns)

    def process(self, batch: Batch) -> Batch:
        """Return the rows with these columns.

        Raises:
            ColumnNotFoundError: If a batch with rows lacks one.
        """
        names = batch.schema.names
        if tuple(names) == self.columns:
            return batch
        present = set(names)
        for column in self.columns:
            if column not in present and batch.num_rows:
                raise ColumnNotFoundError(column=column, columns=names, step=self.name)
        kept = [column for column in self.columns if column in present]
        return batch.select(kept)
