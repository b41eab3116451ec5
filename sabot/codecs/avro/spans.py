"""Which items the lists or maps of an array mean, which may be a slice of another."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["span"]


def span(array: Any) -> tuple[Any, int, int]:
    """Return offsets from zero on, the first of the items they mean, and how many.

    Example:
        >>> offsets, first, count = span(pa.array([[1], [2, 3], [4]]).slice(1))
        >>> offsets.to_pylist(), first, count
        ([0, 2, 3], 1, 3)
    """
    offsets = array.offsets
    if len(offsets) == 0:
        return pa.array([0], pa.int32()), 0, 0
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    # Computed anew in any case: `from_arrays` takes no mask for offsets that are a slice.
    return pc.subtract(offsets, pa.scalar(first, pa.int32())), first, last - first
