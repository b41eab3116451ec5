"""Records as a source would have read them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sabot.types import RawBatch, TopicPartition

__all__ = ["ReadRecord", "raw_of"]


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record in the shape of the client's own message (`sabot.types.SourceRecord`).

    Attributes:
        data: The value's bytes.
        place: Topic and partition.
        at: The offset.
        name: The key's bytes.
        stamp: Milliseconds; 0 for none.
        extra: The headers.
    """

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
