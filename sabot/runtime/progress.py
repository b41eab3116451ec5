"""How far one branch has come, partition by partition."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sabot.runtime.faults import RowFault
from sabot.types import RawBatch, TopicPartition

__all__ = ["Held", "Progress", "Start", "only_rows", "some_rows", "without_rows"]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition begins under a new assignment.

    Attributes:
        offset: The committed offset: the lowest of all branches.
        epoch: The assignment.
        ahead: Offsets of branches that were further than that; they skip up to there.
        state: Changelog topic to the next offset, in the partition of the same number, that
            the committed state ends at.
        cut: The number of the cut it was committed by; 0 where none is known.
    """

    offset: int
    epoch: int
    ahead: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, int] = field(default_factory=dict)
    cut: int = 0


@dataclass(slots=True)
class Held:
    """The rows of one partition that wait behind one that failed, for one branch.

    Attributes:
        fault: The failure of the first of them.
        waiting: Raw batches of that partition, from the failing record on.
        attempt: How often the first record has been tried.
        due: When to try next, by the monotonic clock.
        since: When it first failed.
        unsettled: Whether the last try was broken off, and may have sent something.
    """

    fault: RowFault
    waiting: deque[RawBatch]
    attempt: int
    due: float
    since: float
    unsettled: bool = False


@dataclass(slots=True)
class Progress:
    """The positions of one branch: next offset per partition, everything before is done.

    Attributes:
        name: The branch.
        positions: Partition to (epoch, offset).
        ahead: Rows below this offset were done before the assignment and are skipped.
        held: Partitions in which a record failed and what waits behind it.
    """

    name: str
    positions: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    ahead: dict[TopicPartition, int] = field(default_factory=dict)
    held: dict[TopicPartition, Held] = field(default_factory=dict)

    def assign(self, tp: TopicPartition, start: Start) -> None:
        """Begin a partition where its commit says, or further where this branch was."""
        mine = start.ahead.get(self.name, start.offset)
        self.positions[tp] = (start.epoch, max(mine, start.offset))
        self.held.pop(tp, None)
        if mine > start.offset:
            self.ahead[tp] = mine
        else:
            self.ahead.pop(tp, None)

    def release(self, tp: TopicPartition) -> None:
        """Forget a partition that is no longer ours."""
        self.positions.pop(tp, None)
        self.ahead.pop(tp, None)
        self.held.pop(tp, None)

    def advance(self, tp: TopicPartition, epoch: int, offset: int) -> None:
        """Note that everything below ``offset`` is done; never goes back.

        What was still in hand when a partition went and came back says nothing of the
        new assignment.
        """
        known = self.positions.get(tp)
        if known is None or known < (epoch, offset):
            self.positions[tp] = (epoch, offset)

    def beyond(self, raw: RawBatch) -> RawBatch:
        """Return what of a raw batch stands at or behind the positions.

        For a batch that is taken up again after it failed at some record.
        """
        done = {
            tp: (0, known[1])
            for tp in raw.next_offsets
            if (known := self.positions.get(tp)) is not None and known[0] == raw.epochs[tp]
        }
        return without_rows(raw, done) if done else raw

    def remaining(self, raw: RawBatch) -> RawBatch:
        """Return what of a raw batch this branch has to do now; asked once for each.

        Rows it did before the assignment are left out, and rows of a held partition are
        put behind those that wait.
        """
        if not self.ahead and not self.held:
            return raw
        skip: dict[TopicPartition, int] = {}
        for tp, below in list(self.ahead.items()):
            if tp in raw.next_offsets:
                skip[tp] = below
                if raw.next_offsets[tp] >= below:
                    del self.ahead[tp]
        diverted = [tp for tp in self.held if tp in raw.next_offsets]
        for tp in diverted:
            self.held[tp].waiting.append(only_rows(raw, tp, 0))
        if not skip and not diverted:
            return raw
        return without_rows(
            raw, {**{tp: (0, skip[tp]) for tp in skip}, **dict.fromkeys(diverted, (0, None))}
        )


def only_rows(raw: RawBatch, tp: TopicPartition, first: int) -> RawBatch:
    """Return the records of one partition from an offset on."""
    chosen = [
        number
        for number, record in enumerate(raw.records)
        if record.partition() == tp.partition
        and record.topic() == tp.topic
        and record.offset() >= first
    ]
    return _chosen(raw, chosen, {tp: raw.next_offsets[tp]})


def without_rows(
    raw: RawBatch, ranges: Mapping[TopicPartition, tuple[int, int | None]]
) -> RawBatch:
    """Leave out, per partition, the records from one offset up to another (or to the end).

    A partition that is left out to its end has no position in the result either.
    """
    chosen: list[int] = []
    for number, record in enumerate(raw.records):
        span = ranges.get(TopicPartition(record.topic(), record.partition()))
        offset = record.offset()
        if span is None or not (span[0] <= offset and (span[1] is None or offset < span[1])):
            chosen.append(number)
    left = {
        tp: offset
        for tp, offset in raw.next_offsets.items()
        if tp not in ranges or ranges[tp][1] is not None
    }
    return _chosen(raw, chosen, left)


def some_rows(raw: RawBatch, chosen: list[int]) -> RawBatch:
    """Return the records with these numbers; the others count as done with them."""
    return _chosen(raw, chosen, raw.next_offsets)


def _chosen(
    raw: RawBatch, chosen: list[int], next_offsets: Mapping[TopicPartition, int]
) -> RawBatch:
    return RawBatch(
        records=[raw.records[number] for number in chosen],
        values=[raw.values[number] for number in chosen],
        next_offsets=next_offsets,
        epochs={tp: raw.epochs[tp] for tp in next_offsets},
        size=raw.size,
    )
