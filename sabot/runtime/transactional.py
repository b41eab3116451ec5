"""The commit of a cut within a transaction: outputs, state and offsets, all or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sabot.kafka.commits import CommitPoint, Transaction
from sabot.kafka.held_parcel import HeldParcel
from sabot.kafka.transactions import TransactionalProducer
from sabot.runtime.crash import crash_point
from sabot.runtime.metadata import metadata_of
from sabot.runtime.progress import Start
from sabot.state import Delta
from sabot.types import TopicPartition

__all__ = ["Made", "Reached", "TransactionalCommit"]

CommitOffsets = Callable[[Mapping[TopicPartition, CommitPoint], Transaction], object]


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a partition is finished.

    Attributes:
        offset: The lowest of all branches.
        epoch: The assignment it was earned in.
        ahead: The branches that are further, with their offsets.
    """

    offset: int
    epoch: int
    ahead: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Made:
    """What a transaction has committed; nothing where there was nothing to commit.

    Attributes:
        points: The offsets.
        ends: Changelog topic and partition to the next offset behind what was written.
    """

    points: Mapping[TopicPartition, CommitPoint] = field(default_factory=dict)
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)


class TransactionalCommit:
    """Makes the transactions of one domain, and knows where its state ends.

    The state of a partition belongs to the partition of its number of the topic that the
    changelog is kept by: its commit says where the state ends, also where it stands still
    itself. State of no topic's belongs to all partitions of its number, and each of them
    says where it ends, so that whoever owns one of them next need not ask the others.

    Args:
        producer: Writes outputs that are held, and changelogs.
        commit: Makes offsets part of a transaction.
        exact: Whether outputs are in it, so that none may be made again after a restart.
        sources: Changelog to the topic it is kept by, of those that are kept by one.
    """

    def __init__(
        self,
        producer: TransactionalProducer,
        commit: CommitOffsets,
        *,
        exact: bool,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self._sources = sources or {}
        self._producer = producer
        self._commit = commit
        self._exact = exact
        self._deltas: list[Delta] = []
        self._ends: dict[tuple[str, int], int] = {}
        self._since: dict[tuple[str, int], int] = {}

    def begin(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Take note of where the state of partitions ends, as the latest commit says."""
        for tp, start in starts.items():
            for changelog, end in start.state.items():
                place = changelog, tp.partition
                if not self._is_of(changelog, tp):
                    continue
                if changelog in self._sources or start.cut >= self._since.get(place, 0):
                    self._since[place] = start.cut
                    self._ends[place] = end

    def forget(
        self, partitions: Collection[TopicPartition], owned: Collection[TopicPartition]
    ) -> None:
        """Forget the state of which no partition that says where it ends is ours any more."""
        left = [tp for tp in owned if tp not in partitions]
        for place in list(self._ends):
            changelog, number = place
            if not any(tp.partition == number and self._is_of(changelog, tp) for tp in left):
                self._ends.pop(place)
                self._since.pop(place, None)

    def _is_of(self, changelog: str, tp: TopicPartition) -> bool:
        """Whether the commits of a partition say where that changelog ends."""
        return self._sources.get(changelog, tp.topic) == tp.topic

    def take(self, deltas: Sequence[Delta]) -> None:
        """Keep changes until they are committed."""
        self._deltas += deltas

    def make(
        self,
        number: int,
        reached: Mapping[TopicPartition, Reached],
        moved: Collection[TopicPartition],
        held: Sequence[HeldParcel],
        deadline: float,
    ) -> Made | None:
        """Commit a cut; ``None`` where records were refused, which are marked now.

        Args:
            number: The cut.
            reached: How far the partitions are finished.
            moved: Those that have to be committed.
            held: The outputs.
            deadline: When to give up, by the monotonic clock.

        Raises:
            CommitError: If the transaction was aborted; the cut may be made again.
            PartitionLostError, ProducerFencedError, BrokerUnavailableError: If the domain
                has to begin again from its last commit.
        """
        deltas = list(self._deltas)
        if not (moved or held or deltas):
            return Made()
        refused = False
        producer = self._producer
        try:
            with producer.transaction(_left(deadline)):
                crash_point("transaction_begun")
                ends = self._write_changes(deltas, deadline)
                if not producer.write(held, _left(deadline)):
                    raise _Refused
                crash_point("outputs_written")
                # Never without offsets: it is by them that the group tells whether this
                # member may still speak for its partitions.
                points = self._points(number, reached, moved or reached.keys(), ends)
                self._commit(points, producer)
                crash_point("offsets_sent")
        except _Refused:
            refused = True
        if refused:
            producer.find_refused(_left(deadline))
            return None
        self._done(number, len(deltas), ends)
        producer.settle(held)
        return Made(points, ends)

    def _write_changes(
        self, deltas: Sequence[Delta], deadline: float
    ) -> dict[tuple[str, int], int]:
        changes = [(delta.topic, delta.partition, delta.changes) for delta in deltas]
        ends = self._producer.write_changes(changes, _left(deadline))
        crash_point("changelog_written")
        return ends

    def _points(
        self,
        number: int,
        reached: Mapping[TopicPartition, Reached],
        moved: Collection[TopicPartition],
        ends: Mapping[tuple[str, int], int],
    ) -> dict[TopicPartition, CommitPoint]:
        known = {**self._ends, **ends}
        points: dict[TopicPartition, CommitPoint] = {}
        for tp, one in reached.items():
            state = {
                changelog: end
                for (changelog, place), end in known.items()
                if place == tp.partition and self._is_of(changelog, tp)
            }
            changed = any((changelog, tp.partition) in ends for changelog in state)
            if tp in moved or changed:
                text = metadata_of(number, one.ahead, state, exact=self._exact)
                points[tp] = CommitPoint(one.offset, one.epoch, text)
        return points

    def _done(self, number: int, written: int, ends: Mapping[tuple[str, int], int]) -> None:
        self._ends.update(ends)
        self._since.update(dict.fromkeys(ends, number))
        del self._deltas[:written]


class _Refused(Exception):  # noqa: N818 - ends a block, and is no error
    """Records were refused, so the transaction is aborted."""


def _left(deadline: float) -> float:
    return max(1.0, deadline - time.monotonic())
