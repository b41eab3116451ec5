"""Columns as Python values, where a row may hold one that Python has not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

__all__ = ["python_rows", "python_values"]

_NONE_SUCH = (pa.ArrowException, ValueError, OverflowError)
"""A year beyond 9999, digits below a microsecond, text that is no UTF-8."""


def python_values(array: Any) -> tuple[list[Any], dict[int, Exception]]:
    """Return each row's value, and by row why there is none; ``None`` stands in its place.

    Example:
        >>> python_values(pa.array([0, 2**62], pa.timestamp("s")))[1].keys()
        dict_keys([1])
    """
    try:
        return array.to_pylist(), {}
    except _NONE_SUCH:
        return _one_by_one([array.slice(row, 1) for row in range(len(array))])


def python_rows(columns: pa.RecordBatch) -> tuple[list[Any], dict[int, Exception]]:
    """Return each row as a dict, and by row why it cannot be one."""
    try:
        return columns.to_pylist(), {}
    except _NONE_SUCH:
        return _one_by_one([columns.slice(row, 1) for row in range(columns.num_rows)])


def _one_by_one(rows: Sequence[Any]) -> tuple[list[Any], dict[int, Exception]]:
    found: list[Any] = []
    faults: dict[int, Exception] = {}
    for row, one in enumerate(rows):
        try:
            found += one.to_pylist()
        except _NONE_SUCH as error:
            found.append(None)
            faults[row] = error
    return found, faults
