"""What a domain and its actors say to each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sabot.kafka.producer import Parcel
from sabot.runtime.progress import Start
from sabot.state import Delta, Shard
from sabot.types import RawBatch, TopicPartition

__all__ = [
    "Assigned",
    "Committed",
    "Cut",
    "CutReport",
    "Knock",
    "Released",
    "Resend",
    "Work",
]


@dataclass(frozen=True, slots=True)
class Work:
    """A raw batch for an actor, and the topic it came from."""

    raw: RawBatch
    topic: str | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions begin; comes before any of their records.

    Attributes:
        starts: Where.
        shards: What steps keep for them, by store and partition.
    """

    starts: Mapping[TopicPartition, Start]
    shards: Mapping[tuple[str, TopicPartition], Shard] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Released:
    """Partitions are no longer ours."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class Cut:
    """The marker of a checkpoint; answered after the batch in hand."""

    number: int


@dataclass(frozen=True, slots=True)
class Resend:
    """Some parcels were refused; send what can be sent, and answer with what was sent."""


@dataclass(frozen=True, slots=True)
class Knock:
    """Asks nothing; whoever answers is between two messages."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A cut is durable: what its report said may be folded into the local state.

    Sent to every actor after each transaction that was committed, also to those that
    reported no changes. A cut that is not committed is followed by none; its changes are
    in the transaction of the next that is, and are then covered by that one's number.

    Attributes:
        number: The cut; it covers the reports of all cuts up to it.
        ends: Changelog topic and partition to the next offset behind the last record of
            its changes, for each that had some.
    """

    number: int
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CutReport:
    """An actor's answer to a cut.

    Attributes:
        positions: Branch to partition to (epoch, next offset): everything before it is
            finished, and its output is in ``parcels`` or has arrived.
        parcels: What was handed to producers and had not arrived when last looked at.
        deltas: What changed in the actor's state since its report to the cut before, up to
            just these positions. The checkpoint keeps them until a cut is committed, so
            each change is reported once, in answer to a `Cut` and never to a `Resend`.
        unsettled: Partitions of which something has been made that none of this speaks of,
            since the batch it belongs to is to be taken up again.
    """

    positions: Mapping[str, Mapping[TopicPartition, tuple[int, int]]]
    parcels: tuple[Parcel, ...]
    deltas: tuple[Delta, ...] = ()
    unsettled: frozenset[TopicPartition] = frozenset()

    def without(self, partitions: Collection[TopicPartition]) -> CutReport:
        """Return the report without what it says of some partitions."""
        positions = {
            branch: {tp: at for tp, at in reached.items() if tp not in partitions}
            for branch, reached in self.positions.items()
        }
        return replace(self, positions=positions)
