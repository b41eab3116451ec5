"""`RenameOperator`: gives columns other names."""

from __future__ import annotations

from collections.abc import Mapping

from sabot.errors import ColumnNotFoundError, PlanError
from sabot.types import Batch

__all__ = ["RenameOperator"]


class RenameOperator:
    """Renames columns; the others keep their names, all keep their places.

    Two columns may change names with one another.

    Args:
        names: From old names to new ones.
        name: The step's name.
    """

    repeatable = True

    def __init__(self, names: Mapping[str, str], *, name: str = "rename") -> None:
        self.name = name
        self.names = dict(names)

    def process(self, batch: Batch) -> Batch:
        """Return the rows under the new names; a batch without rows may lack some.

        Raises:
            ColumnNotFoundError: If a batch with rows lacks a column to rename.
            PlanError: If two columns would have one name.
        """
        old = batch.schema.names
        for column in self.names:
            if column not in old and batch.num_rows:
                raise ColumnNotFoundError(column=column, columns=old, step=self.name)
        new = [self.names.get(column, column) for column in old]
        for column in new:
            if new.count(column) > 1:
                raise PlanError(f"step {self.name!r} gives two columns the name {column!r}")
        renamed = {now: was for was, now in zip(old, new, strict=True) if was != now}
        return batch.with_columns(batch.columns.rename_columns(new), renamed=renamed)
