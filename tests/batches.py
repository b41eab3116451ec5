"""Batches for tests, made of plain values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sabot.types import Batch, RawBatch


def batch_of(columns: dict[str, Any] | pa.RecordBatch) -> Batch:
    """Return a batch as a codec would have made it: all columns as decoded, all rows there."""
    rows = columns if isinstance(columns, pa.RecordBatch) else pa.RecordBatch.from_pydict(columns)
    names = tuple(rows.schema.names)
    return Batch(rows, RawBatch((), (), columns=rows), None, names, frozenset(names))
