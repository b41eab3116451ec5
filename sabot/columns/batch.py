"""`BatchView`: what a user's function gets for a batch of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.columns.column import Column, plain
from sabot.columns.expression import evaluate, repeat
from sabot.errors import ColumnNotFoundError, SchemaMismatchError
from sabot.types import Batch

__all__ = ["BatchView", "MissingColumnError", "values_for"]


class MissingColumnError(ColumnNotFoundError, KeyError):
    """A function asks a batch for a column it does not have.

    It is a ``KeyError`` too, as on a ``pyarrow.RecordBatch``, so that code which tries a
    column and goes on without it works the same.
    """

    __str__ = Exception.__str__


class BatchView:
    """A ``pyarrow.RecordBatch`` whose columns take operators and whose rows are known.

    It has what a RecordBatch has, and each RecordBatch that one of its methods returns is
    a view too. So the record each row came from stays known through `filter`, `take`,
    `slice` and `sort_by`, and with it the record's key and timestamp. ``b["name"]`` is a
    `Column`. Where a RecordBatch wants an array for a column, a view also takes a
    scalar, a plain value or an expression, for all rows. Views never change.

    Functions written in C that want a RecordBatch proper refuse a view with a TypeError;
    `raw` returns one.

    Attributes:
        batch: The rows with their lineage.

    Example:
        >>> from sabot.types import Batch, RawBatch
        >>> rows = pa.record_batch({"id": [1, 2, 3], "amount": [5.0, None, 20.0]})
        >>> b = BatchView(Batch(rows, RawBatch((), (), columns=rows)))
        >>> b.append_column("big", b["amount"] > 10).filter(b["id"] != 2).to_pylist()
        [{'id': 1, 'amount': 5.0, 'big': False}, {'id': 3, 'amount': 20.0, 'big': True}]
        >>> isinstance(b, pa.RecordBatch)
        True
    """

    __slots__ = ("_read", "_step", "batch")

    def __init__(
        self, batch: Batch, *, step: str | None = None, read: list[object] | None = None
    ) -> None:
        self.batch = batch
        self._step = step
        # Shared by all views of one call: not empty once a column's values were read.
        self._read = [] if read is None else read

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return pa.RecordBatch

    @property
    def _columns(self) -> pa.RecordBatch:
        """All columns, made: what needs only some of them asks the batch."""
        return self.batch.columns

    @property
    def raw(self) -> pa.RecordBatch:
        """The columns as a RecordBatch proper; its rows' lineage stays behind."""
        self._read.append(None)
        return self._columns

    @property
    def values_were_read(self) -> bool:
        """Whether this call has looked at the values of any column."""
        return bool(self._read)

    def is_of(self, other: BatchView) -> bool:
        """Whether this view and another belong to one call, so to one batch."""
        return self._read is other._read

    # What a batch says of itself; none of it depends on the rows' values.

    @property
    def schema(self) -> pa.Schema:
        return self.batch.schema

    @property
    def num_rows(self) -> int:
        return self.batch.num_rows

    @property
    def num_columns(self) -> int:
        return len(self.batch.schema)

    @property
    def shape(self) -> tuple[int, int]:
        return (self.num_rows, self.num_columns)

    @property
    def column_names(self) -> list[str]:
        return list(self.batch.schema.names)

    @property
    def nbytes(self) -> int:
        return int(self._columns.nbytes)

    @property
    def is_cpu(self) -> bool:
        return bool(self._columns.is_cpu)

    @property
    def device_type(self) -> Any:
        return self._columns.device_type

    def __len__(self) -> int:
        return self.batch.num_rows

    def field(self, i: int | str) -> pa.Field:
        """Return a column's name, type and nullability."""
        return self.batch.schema.field(self._position(i))

    def get_total_buffer_size(self) -> int:
        """Return the bytes of all buffers the batch refers to."""
        return int(self._columns.get_total_buffer_size())

    # Columns

    def __getitem__(self, key: Any) -> Any:
        if type(key) is slice:
            start, stop, step = key.indices(self.num_rows)
            if step == 1:
                return self.slice(start, max(0, stop - start))
            return self.take(pa.array(range(start, stop, step), pa.int64()))
        self._read.append(None)
        try:
            return Column(self.batch.column(key))
        except KeyError:
            raise self._missing(key) from None

    def column(self, i: int | str) -> Column:
        """Return a column by its number or name."""
        column: Column = self[i]
        return column

    @property
    def columns(self) -> list[Column]:
        self._read.append(None)
        return [Column(array) for array in self._columns.columns]

    def itercolumns(self) -> Iterator[Column]:
        """Iterate over the columns in their order."""
        return iter(self.columns)

    def append_column(self, field_: str | pa.Field, column: Any) -> BatchView:
        """Add a column at the end: values for each row, or one value for all."""
        array = self._values(field_, column)
        return self._view(self.batch.append_column(field_, array))

    def add_column(self, i: int, field_: str | pa.Field, column: Any) -> BatchView:
        """Add a column before column number ``i``."""
        return self._with(self._columns.add_column(i, field_, self._values(field_, column)))

    def set_column(self, i: int, field_: str | pa.Field, column: Any) -> BatchView:
        """Replace column number ``i``."""
        array = self._values(field_, column)
        changed = self._columns.set_column(i, field_, array)
        return self._with(changed, changes=[self._columns.schema.names[i]])

    def remove_column(self, i: int) -> BatchView:
        """Leave out column number ``i``."""
        return self._with(self._columns.remove_column(i))

    def drop_columns(self, columns: str | Sequence[str]) -> BatchView:
        """Leave out columns by name."""
        names = [columns] if isinstance(columns, str) else list(columns)
        for name in names:
            self._position(name)
        return self._with(self._columns.drop_columns(names))

    def select(self, columns: Sequence[str | int]) -> BatchView:
        """Keep these columns, in this order."""
        names = self.batch.schema.names
        for key in columns:
            self._position(key)
        return self._view(
            self.batch.select([k if isinstance(k, str) else names[k] for k in columns])
        )

    def rename_columns(self, names: Sequence[str] | Mapping[str, str]) -> BatchView:
        """Rename columns: all of them by a list, or some by a mapping from old to new."""
        if isinstance(names, Mapping):
            for name in names:
                self._position(name)
        old = self._columns.schema.names
        renamed = self._columns.rename_columns(names)
        pairs = zip(old, renamed.schema.names, strict=True)
        moved = {now: was for was, now in pairs if was != now}
        return self._view(self.batch.with_columns(renamed, renamed=moved))

    def cast(self, target_schema: pa.Schema, safe: bool | None = None, **kwargs: Any) -> BatchView:
        """Give the columns the types of a schema with the same names."""
        done = self._columns.cast(target_schema, safe, **kwargs)
        old, new = self._columns.schema, done.schema
        changed = [field.name for field in new if old.field(field.name).type != field.type]
        return self._with(done, changes=changed)

    def replace_schema_metadata(self, metadata: Any = None) -> BatchView:
        """Give the schema other metadata, or none."""
        return self._with(self._columns.replace_schema_metadata(metadata))

    def copy_to(self, destination: Any) -> BatchView:
        """Copy the buffers to another memory manager or device."""
        return self._with(self._columns.copy_to(destination))

    # Rows

    def filter(self, mask: Any, null_selection_behavior: str = "drop") -> BatchView:
        """Keep the rows whose mask is true; null counts as false.

        Args:
            mask: Booleans, a column of them, or an expression.
            null_selection_behavior: Only ``"drop"``: a row of nulls in the place of a
                record would have no record it came from.
        """
        if null_selection_behavior != "drop":
            raise ValueError(
                "null_selection_behavior='emit_null' makes rows that come from no record; "
                "only 'drop' is allowed here"
            )
        self._read.append(None)
        array = evaluate(mask, self.batch) if isinstance(mask, pc.Expression) else plain(mask)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if not isinstance(array, pa.Array):
            array = pa.array(array, pa.bool_())
        if array.type == pa.null():
            array = array.cast(pa.bool_())
        return self._view(self.batch.filter(array))

    def take(self, indices: Any) -> BatchView:
        """Return the rows with these numbers, in this order; a number may repeat."""
        self._read.append(None)
        rows = plain(indices)
        if not isinstance(rows, (pa.Array, pa.ChunkedArray)):
            rows = pa.array(rows, pa.int64())
        if rows.null_count:
            raise ValueError("take with a null row number makes rows that come from no record")
        if isinstance(rows, pa.ChunkedArray):
            rows = rows.combine_chunks()
        return self._view(self.batch.take(rows))

    def slice(self, offset: int = 0, length: int | None = None) -> BatchView:
        """Return ``length`` rows from ``offset`` on, without copying."""
        if offset < 0:
            raise IndexError("offset must not be negative")
        left = max(0, self.num_rows - offset)
        return self._view(self.batch.slice(offset, left if length is None else min(length, left)))

    def sort_by(self, sorting: Any, **kwargs: Any) -> BatchView:
        """Sort by a column, or by ``[(name, "ascending" | "descending"), …]``."""
        keys = [(sorting, "ascending")] if isinstance(sorting, str) else list(sorting)
        for name, *_ in keys:
            self._position(name)
        return self.take(pc.sort_indices(self._columns, sort_keys=keys, **kwargs))

    def drop_null(self) -> BatchView:
        """Keep the rows without any null."""
        mask = repeat(True, pa.bool_(), self.num_rows)
        for column in self._columns.columns:
            mask = pc.and_(mask, pc.is_valid(column))
        return self.filter(mask)

    # Out of Arrow; the values leave with what they are, not with where they came from

    def equals(self, other: Any, check_metadata: bool = False) -> bool:
        """Say whether another batch has the same columns with the same values."""
        self._read.append(None)
        right = other._columns if type(other) is BatchView else other
        return bool(self._columns.equals(right, check_metadata=check_metadata))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, pa.RecordBatch) and self.equals(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._columns)

    def __reduce__(self) -> Any:
        return self.raw.__reduce__()

    def __getattr__(self, name: str) -> Any:
        if name not in _VALUES and name not in _CONSTRUCTORS:
            raise AttributeError(f"a batch has no attribute {name!r}")
        if name in _VALUES:
            self._read.append(None)
        return getattr(self._columns, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(pa.RecordBatch), "batch", "raw"})

    # Insides

    def _view(self, batch: Batch) -> BatchView:
        return BatchView(batch, step=self._step, read=self._read)

    def _with(self, columns: pa.RecordBatch, changes: Sequence[str] = ()) -> BatchView:
        return self._view(self.batch.with_columns(columns, changed=changes))

    def _position(self, key: int | str) -> int:
        schema = self.batch.schema
        if isinstance(key, str):
            found = schema.get_field_index(key)
            if found < 0 and key not in schema.names:
                raise self._missing(key)
            return int(found)
        return key

    def _missing(self, name: object) -> MissingColumnError:
        return MissingColumnError(column=name, columns=self.batch.schema.names, step=self._step)

    def _values(self, field: str | pa.Field, column: Any) -> pa.Array:
        type_ = field.type if isinstance(field, pa.Field) else None
        return values_for(self.batch, column, type_=type_)


def values_for(batch: Batch, value: Any, *, type_: pa.DataType | None = None) -> pa.Array:
    """Return a column for a batch: values for each row as given, or one value repeated.

    Raises:
        SchemaMismatchError: If there are more or fewer values than rows.
    """
    array = _as_array(batch, plain(value), type_)
    if len(array) != batch.num_rows:
        raise SchemaMismatchError(f"{len(array)} values for a batch of {batch.num_rows} rows")
    return array if type_ is None or array.type == type_ else array.cast(type_)


def _as_array(batch: Batch, value: Any, type_: pa.DataType | None) -> pa.Array:
    if isinstance(value, pa.Array):
        return value
    if isinstance(value, pa.ChunkedArray):
        return value.combine_chunks()
    if isinstance(value, pc.Expression):
        return evaluate(value, batch)
    if isinstance(value, (list, tuple, range)) or _is_array_like(value):
        array = pa.array(value, type_)
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return repeat(value, type_, batch.num_rows)


def _is_array_like(value: Any) -> bool:
    return hasattr(value, "__arrow_array__") or bool(getattr(value, "ndim", 0))


_VALUES = frozenset(
    {
        "to_pandas",
        "to_pydict",
        "to_pylist",
        "to_string",
        "to_struct_array",
        "to_tensor",
        "serialize",
        "validate",
        "__array__",
        "__arrow_c_array__",
        "__arrow_c_device_array__",
        "__arrow_c_stream__",
        "__dataframe__",
    }
)
_CONSTRUCTORS = frozenset(
    {"from_arrays", "from_pandas", "from_pydict", "from_pylist", "from_struct_array"}
)
