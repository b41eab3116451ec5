"""Columns as values for rows that lack what the documents they were read from lack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
from msgspec import UNSET

__all__ = ["cells_as_found"]

_TOMBSTONE: Mapping[str, Any] = {}


def cells_as_found(
    columns: pa.RecordBatch,
    cells: Callable[[Any], list[Any]],
    documents: Sequence[Any],
    names: Collection[str],
) -> list[list[Any]]:
    """Return each column's values, `msgspec.UNSET` where the document has no such field.

    Args:
        columns: The rows.
        cells: The format's Python values of an array.
        documents: What each row was read from; a tombstone has no field at all.
        names: The columns to compare with them, see `sabot.codecs.document_codec`.

    Example:
        >>> columns = pa.RecordBatch.from_pydict({"a": [None, None], "new": [None, 1]})
        >>> cells_as_found(columns, lambda array: array.to_pylist(), [{}, {"a": None}], {"a"})
        [[UNSET, None], [None, 1]]
    """
    # What is no document is compared with one that has every field.
    whole = dict.fromkeys(names)
    found = [
        _TOMBSTONE if each is None else each if isinstance(each, dict) else whole
        for each in documents
    ]
    return [
        _as_found(column, cells(column), name, found) if name in whole else cells(column)
        for name, column in zip(columns.schema.names, columns.columns, strict=True)
    ]


def _as_found(
    column: pa.Array, values: list[Any], name: str, documents: Sequence[Mapping[str, Any]]
) -> list[Any]:
    pairs = zip(values, documents, strict=True)
    if pa.types.is_nested(column.type):
        return [
            UNSET
            if value is None and name not in document
            else _without_gaps(value, document.get(name))
            for value, document in pairs
        ]
    if column.null_count:
        return [
            UNSET if value is None and name not in document else value for value, document in pairs
        ]
    return values


def _without_gaps(value: Any, document: Any) -> Any:
    """Return a value without the nulls, within objects, that the document does not have."""
    if isinstance(value, dict) and isinstance(document, dict):
        return {
            key: _without_gaps(member, document.get(key))
            for key, member in value.items()
            if member is not None or key in document
        }
    if isinstance(value, list) and isinstance(document, list):
        return list(map(_without_gaps, value, document))
    return value
