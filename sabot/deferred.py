"""Columns that are made when somebody looks at them.

Most steps look at one or two columns of a record, and a record that leaves as it came
needs none. Rows that are decoded and checked stay Python objects until a column is asked
for; filtering and taking only remember which rows are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ColumnBuilder", "DeferredColumns"]

ColumnBuilder = Callable[[Sequence[Any]], pa.Array]
"""Makes one column of rows; must not fail for rows that were checked."""


class DeferredColumns:
    """A record batch in all that is asked of it, made column by column.

    It never changes in what it holds. What has no method here is asked of the
    `pyarrow.RecordBatch` that `materialize` makes. One thread at a time may use it, and
    what was derived from it.

    Args:
        schema: The columns.
        rows: The rows, decoded and checked against the schema.
        builders: How to make each column of rows, by its name.
        together: How to make all of them in one go, where that costs less; it returns
            ``None`` where it cannot.

    Example:
        >>> schema = pa.schema([("n", pa.int64()), ("t", pa.string())])
        >>> builders = {
        ...     "n": lambda rows: pa.array([r[0] for r in rows], pa.int64()),
        ...     "t": lambda rows: pa.array([r[1] for r in rows], pa.string()),
        ... }
        >>> columns = DeferredColumns(schema, [(1, "a"), (5, "b")], builders)
        >>> columns.filter(pc.greater(columns.column("n"), 2)).to_pylist()
        [{'n': 5, 't': 'b'}]
    """

    __slots__ = (
        "_base",
        "_builders",
        "_made",
        "_own",
        "_rows",
        "_selected",
        "_selection",
        "_together",
        "schema",
    )

    def __init__(
        self,
        schema: pa.Schema,
        rows: Sequence[Any],
        builders: Mapping[str, ColumnBuilder],
        together: Callable[[Sequence[Any]], Sequence[pa.Array] | None] | None = None,
    ) -> None:
        self.schema = schema
        self._rows = rows
        self._builders = builders
        self._base: dict[str, pa.Array] = {}
        self._own: dict[str, pa.Array] = {}
        self._selection: pa.Int32Array | None = None
        self._selected: Sequence[Any] | None = rows
        self._made: pa.RecordBatch | None = None
        # What is derived from this has other rows or columns, and does without.
        self._together = together

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self._rows) if self._selection is None else len(self._selection)

    @property
    def num_columns(self) -> int:
        """How many columns there are."""
        return len(self.schema)

    def column(self, key: int | str) -> pa.Array:
        """Return a column by number or name.

        Raises:
            KeyError: If there is none of that name.
        """
        name = self.schema.names[key] if isinstance(key, int) else key
        array = self._own.get(name)
        if array is not None:
            return array
        if name not in self._builders or name not in self.schema.names:
            raise KeyError(f'Field "{name}" does not exist in schema')
        return self._build(name)

    def _build(self, name: str) -> pa.Array:
        array: pa.Array
        base = self._base.get(name)
        if base is not None and self._selection is not None:
            array = base.take(self._selection)
        else:
            array = self._builders[name](self._chosen_rows())
            if self._selection is None:
                self._base[name] = array
        self._own[name] = array
        return array

    __getitem__ = column

    def take(self, numbers: pa.Array) -> DeferredColumns:
        """Return the rows with these numbers, in this order."""
        if self._selection is None:
            selection = numbers.cast(pa.int32())
        else:
            selection = self._selection.take(numbers)
        return self._derived(selection, lambda array: array.take(numbers))

    def filter(self, mask: pa.BooleanArray) -> DeferredColumns:
        """Keep the rows whose mask is true; null counts as false."""
        return self.take(pc.indices_nonzero(mask))

    def slice(self, offset: int, length: int) -> DeferredColumns:
        """Return ``length`` rows from ``offset`` on."""
        selection = self._selection
        if selection is None:
            return self.take(pa.array(range(offset, offset + length), pa.int32()))
        return self._derived(
            selection.slice(offset, length), lambda array: array.slice(offset, length)
        )

    def append_column(self, field: str | pa.Field, array: pa.Array) -> DeferredColumns:
        """Add a column at the end."""
        if not isinstance(field, pa.Field):
            field = pa.field(field, array.type)
        if field.name in self.schema.names or len(array) != self.num_rows:
            made: Any = self.materialize().append_column(field, array)
            return made  # type: ignore[no-any-return]
        wider = self._with_schema(self.schema.append(field))
        wider._own[field.name] = array
        return wider

    def select(self, names: Sequence[str]) -> DeferredColumns:
        """Keep these columns, in this order."""
        return self._with_schema(
            pa.schema([self.schema.field(name) for name in names], self.schema.metadata)
        )

    def materialize(self) -> pa.RecordBatch:
        """Make all columns."""
        if self._made is None and self._together is not None and not self._own:
            arrays = self._together(self._rows)
            if arrays is not None:
                self._own = dict(zip(self.schema.names, arrays, strict=True))
                self._base.update(self._own)
        if self._made is None:
            own = self._own
            self._made = pa.RecordBatch.from_arrays(
                [own[name] if name in own else self._build(name) for name in self.schema.names],
                schema=self.schema,
            )
        return self._made

    def __len__(self) -> int:
        return self.num_rows

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.materialize(), name)

    def _chosen_rows(self) -> Sequence[Any]:
        if self._selected is None:
            assert self._selection is not None
            rows = self._rows
            self._selected = [rows[number] for number in self._selection.to_pylist()]
        return self._selected

    def _derived(
        self, selection: pa.Int32Array, of: Callable[[pa.Array], pa.Array]
    ) -> DeferredColumns:
        derived = DeferredColumns(self.schema, self._rows, self._builders)
        derived._base = self._base
        derived._selection = selection
        derived._selected = None
        # Columns that no builder makes have to come along; the others can be made again.
        derived._own = {
            name: of(array) for name, array in self._own.items() if name not in self._builders
        }
        return derived

    def _with_schema(self, schema: pa.Schema) -> DeferredColumns:
        other = DeferredColumns(schema, self._rows, self._builders)
        other._base = self._base
        other._own = dict(self._own)
        other._selection = self._selection
        other._selected = self._selected
        return other
