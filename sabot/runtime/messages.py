"""What a domain and its actors say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sabot.kafka.producer import Parcel
from sabot.runtime.progress import Start
from sabot.types import RawBatch, TopicPartition

__all__ = ["Assigned", "Cut", "CutReport", "Released", "Resend", "Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """A raw batch for an actor, and the topic it came from."""

    raw: RawBatch
    topic: str | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions begin; comes before any of their records."""

    starts: Mapping[TopicPartition, Start]


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
class CutReport:
    """An actor's answer to a cut.

    Attributes:
        positions: Branch to partition to (epoch, next offset): everything before it is
            finished, and its output is in ``parcels`` or has arrived.
        parcels: What was handed to producers and had not arrived when last looked at.
    """

    positions: Mapping[str, Mapping[TopicPartition, tuple[int, int]]]
    parcels: tuple[Parcel, ...]
