"""Records as a source would have read them, for tests that need no broker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabot.types import Batch, RawBatch, TopicPartition

__all__ = ["ReadRecord", "batch_from", "raw_of", "rows"]


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record in the shape of the client's own message (`sabot.types.SourceRecord`)."""

    data: bytes | None
    place: TopicPartition
    at: int = 0
    name: bytes | None = None
    stamp: int = 0
    extra: tuple[tuple[str, bytes | None], ...] = ()

    def value(self) -> bytes | None:
        return self.data

    def key(self) -> bytes | None:
        return self.name

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return list(self.extra) or None

    def topic(self) -> str:
        return self.place.topic

    def partition(self) -> int:
        return self.place.partition

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return (1, self.stamp) if self.stamp else (0, -1)


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


def raw_of(
    *parts: Sequence[ReadRecord],
    epochs: Mapping[int, int] | None = None,
    beyond: Mapping[TopicPartition, int] | None = None,
) -> RawBatch:
    """Return a raw batch of these records.

    Args:
        *parts: The records; those of one partition by ascending offset.
        epochs: Per partition number its assignment; 1 where none is named.
        beyond: Positions that are further than the last record's.
    """
    records = [record for part in parts for record in part]
    reached = {record.place: record.at + 1 for record in records} | dict(beyond or {})
    return RawBatch(
        records=records,
        values=[record.data for record in records],
        next_offsets=reached,
        epochs={tp: (epochs or {}).get(tp.partition, 1) for tp in reached},
        size=sum(len(record.data or b"") for record in records),
    )


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
