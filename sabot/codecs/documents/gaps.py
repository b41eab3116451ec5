"""Columns as values for rows that lack what the documents they were read from lack.

A column that stands for a field of the document, whatever it is called by now, has no value
where it is null and the document has no such field. So a step that renames, converts or
corrects a column does not add it to records that never had it. A column that steps added
has a value in every row, be it null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from msgspec import UNSET

from sabot.types import Stem

__all__ = ["cells_as_found"]

_TOMBSTONE: Mapping[str, Any] = {}


def cells_as_found(
    columns: pa.RecordBatch,
    cells: Callable[[Any], list[Any]],
    documents: Sequence[Any],
    stems: Mapping[str, Stem],
) -> list[list[Any]]:
    """Return each column's values, `msgspec.UNSET` where the document has no such field.

    Args:
        columns: The rows.
        cells: The format's Python values of an array.
        documents: What each row was read from; a tombstone has no field at all.
        stems: What columns to compare with them, see `sabot.codecs.document_codec`.

    Example:
        >>> columns = pa.RecordBatch.from_pydict({"b": [None, None], "new": [None, 1]})
        >>> stems = {"b": Stem("a", changed=False)}
        >>> cells_as_found(columns, lambda array: array.to_pylist(), [{}, {"a": None}], stems)
        [[UNSET, None], [None, 1]]
    """
    # What is no document is compared with one that has every field.
    whole = dict.fromkeys(stem.field for stem in stems.values())
    found = [
        _TOMBSTONE if each is None else each if isinstance(each, dict) else whole
        for each in documents
    ]
    return [
        _as_found(column, cells(column), stems[name], found) if name in stems else cells(column)
        for name, column in zip(columns.schema.names, columns.columns, strict=True)
    ]


def _as_found(
    column: pa.Array, values: list[Any], stem: Stem, documents: Sequence[Mapping[str, Any]]
) -> list[Any]:
    field, pairs = stem.field, zip(values, documents, strict=True)
    if pa.types.is_nested(column.type):
        return [
            UNSET
            if value is None and field not in document
            else _without_gaps(value, document.get(field), lists=not stem.changed)
            for value, document in pairs
        ]
    if column.null_count:
        return [
            UNSET if value is None and field not in document else value for value, document in pairs
        ]
    return values


def _without_gaps(value: Any, document: Any, *, lists: bool) -> Any:
    """Return a value without the nulls, within objects, that the document does not have.

    Args:
        value: The value.
        document: What the document has in its place.
        lists: Whether the items of lists still are those of the document.
    """
    if isinstance(value, dict) and isinstance(document, dict):
        return {
            key: _without_gaps(member, document.get(key), lists=lists)
            for key, member in value.items()
            if member is not None or key in document
        }
    if lists and isinstance(value, list) and isinstance(document, list):
        return [
            _without_gaps(item, found, lists=lists)
            for item, found in zip(value, document, strict=True)
        ]
    return value
