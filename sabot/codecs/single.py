"""The one column of a format that holds a single value."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sabot.errors import ColumnNotFoundError, SchemaMismatchError

__all__ = ["only_column"]


def only_column(columns: pa.RecordBatch, kind: pa.DataType, codec: str) -> Any:
    """Return the column ``value``, or the only one there is, as ``kind``.

    Args:
        columns: The rows that are to be written.
        kind: ``string`` or ``binary``; the wide and the dictionary forms of it are taken
            as well, and nulls of no type.
        codec: The codec's name, for messages.

    Raises:
        ColumnNotFoundError: If there are several columns, and none is called ``value``.
        SchemaMismatchError: If other columns would be lost, or the type is another.

    Example:
        >>> rows = pa.RecordBatch.from_pydict({"line": ["a"]})
        >>> only_column(rows, pa.string(), "string").to_pylist()
        ['a']
    """
    names = columns.schema.names
    if len(names) != 1:
        if "value" not in names:
            raise ColumnNotFoundError(column="value", columns=names)
        others = ", ".join(repr(name) for name in names if name != "value")
        raise SchemaMismatchError(
            f"codec {codec!r} writes the column 'value' alone, but there are {others} too; "
            "keep one by select('value')"
        )
    column: Any = columns.column(0)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_alike(column.type, kind):
        raise SchemaMismatchError(
            f"codec {codec!r} writes a column of type {kind}, but {names[0]!r} is of type "
            f"{column.type}"
        )
    return column.cast(kind)


def _is_alike(given: pa.DataType, kind: pa.DataType) -> bool:
    if pa.types.is_null(given):
        return True
    if pa.types.is_string(kind):
        return bool(pa.types.is_string(given) or pa.types.is_large_string(given))
    return bool(
        pa.types.is_binary(given)
        or pa.types.is_large_binary(given)
        or pa.types.is_fixed_size_binary(given)
    )
