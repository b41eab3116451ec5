"""`DropOperator`: leaves out some columns."""

from __future__ import annotations

from collections.abc import Sequence

from sabot.errors import ColumnNotFoundError
from sabot.types import Batch

__all__ = ["DropOperator"]


class DropOperator:
    """Leaves out the named columns; a batch without rows may lack some of them.

    Args:
        columns: Their names.
        name: The step's name.
    """

    repeatable = True

    def __init__(self, columns: Sequence[str], *, name: str = "drop") -> None:
        self.name = name
        self.columns = tuple(columns)

    def process(self, batch: Batch) -> Batch:
        """Return the rows without these columns.

        Raises:
            ColumnNotFoundError: If a batch with rows lacks one.
        """
        names = batch.schema.names
        for column in self.columns:
            if column not in names and batch.num_rows:
                raise ColumnNotFoundError(column=column, columns=names, step=self.name)
        kept = [name for name in names if name not in self.columns]
        return batch.select(kept)
