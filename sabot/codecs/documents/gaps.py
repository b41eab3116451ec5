"""Rows as objects that lack what the documents they were read from lack."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.documents.rows import row_type

__all__ = ["objects_as_found"]


def objects_as_found(
    columns: pa.RecordBatch,
    cells: Callable[[Any], list[Any]],
    documents: Sequence[Any],
    names: Collection[str],
) -> list[dict[str, Any]]:
    """Return an object for each row; see `sabot.codecs.document_codec`.

    Args:
        columns: The rows.
        cells: The format's Python values of an array.
        documents: What each row was read from; a tombstone has no field at all.
        names: The columns to compare with them.

    Raises:
        EncodeError: If two columns have one name, so that every row would lose one.

    Example:
        >>> columns = pa.RecordBatch.from_pydict({"a": [None, None], "new": [None, 1]})
        >>> objects_as_found(columns, lambda array: array.to_pylist(), [{}, {"a": None}], {"a"})
        [{'new': None}, {'a': None, 'new': 1}]
    """
    keys = tuple(columns.schema.names)
    row_type(keys)
    if not keys:
        return [{} for _ in documents]
    read = frozenset(names)
    rows = zip(*(cells(column) for column in columns.columns), strict=True)
    objects = (dict(zip(keys, row, strict=True)) for row in rows)
    return [
        _found(row, document or {}, read) if document is None or isinstance(document, dict) else row
        for row, document in zip(objects, documents, strict=True)
    ]


def _found(
    row: dict[str, Any], document: dict[str, Any], read: Collection[str] | None = None
) -> dict[str, Any]:
    """Return an object without the nulls that the document does not have.

    Args:
        row: The object.
        document: What it was read from.
        read: The only keys to look at; all, if not given.
    """
    return {
        key: value if read is not None and key not in read else _value(value, document.get(key))
        for key, value in row.items()
        if value is not None or key in document or (read is not None and key not in read)
    }


def _value(value: Any, document: Any) -> Any:
    if isinstance(value, dict) and isinstance(document, dict):
        return _found(value, document)
    if isinstance(value, list) and isinstance(document, list):
        return list(map(_value, value, document))
    return value
