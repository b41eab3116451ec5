"""Records as a source would have read them, for tests that need no broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sabot.testing.records import ReadRecord, raw_of
from sabot.types import Batch, RawBatch, TopicPartition

__all__ = ["ReadRecord", "batch_from", "raw_of", "rows"]


def rows(
    documents: Sequence[Any], *, partition: int = 0, first: int = 0, topic: str = "in"
) -> list[ReadRecord]:
    """Return records of one partition, one for each document; bytes are taken as they are."""
    place = TopicPartition(topic, partition)
    return [
        ReadRecord(
            document
            if document is None or isinstance(document, bytes)
            else json.dumps(document).encode(),
            place,
            first + number,
            f"k{first + number}".encode(),
            1_000 + first + number,
        )
        for number, document in enumerate(documents)
    ]


def batch_from(raw: RawBatch) -> Batch:
    """Return the batch a JSON codec makes of a raw batch without bad records."""
    documents = [json.loads(value or b"{}") for value in raw.values]
    names = list(dict.fromkeys(name for document in documents for name in document))
    fields = [pa.array([document.get(name) for document in documents]) for name in names]
    columns = (
        pa.RecordBatch.from_arrays(fields, names=names)
        if names
        else pa.RecordBatch.from_struct_array(pa.nulls(len(documents), pa.struct([])))
    )
    return Batch(columns, raw, None, tuple(names), frozenset(names))
