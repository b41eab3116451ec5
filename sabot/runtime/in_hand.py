"""A raw batch that several branches work on, and perhaps not at the first attempt."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sabot.runtime.progress import Progress, without_rows
from sabot.types import RawBatch, TopicPartition

__all__ = ["InHand", "Memo"]

Memo = dict[int, list[Any]]
"""What came out of a node, by its identity."""


@dataclass(slots=True, eq=False)
class InHand:
    """A raw batch that is being worked on, and what of it is done.

    Attributes:
        raw: The batch as it was given.
        fresh: The same without the partitions that have gone.
        stale: Those partitions.
        finished: The branches, by number, that are through with it.
        parts: What each branch has to do, decided once, and what of it is evaluated.
        memo: What is evaluated of ``fresh``, for all branches that do all of it.
    """

    raw: RawBatch
    fresh: RawBatch
    stale: frozenset[TopicPartition] = frozenset()
    finished: set[int] = field(default_factory=set)
    parts: dict[int, tuple[RawBatch, Memo]] = field(default_factory=dict)
    memo: Memo = field(default_factory=dict)

    def leave_out(self, stale: Collection[TopicPartition]) -> None:
        """Take no notice of the records of partitions that have gone."""
        if self.stale.issuperset(stale):
            return
        self.stale = self.stale.union(stale)
        gone = dict.fromkeys(self.stale, (0, None))
        before, self.fresh, self.memo = self.fresh, without_rows(self.fresh, gone), {}
        for number, (part, _) in self.parts.items():
            whole = part is before
            self.parts[number] = (
                (self.fresh, self.memo) if whole else (without_rows(part, gone), {})
            )

    def part(
        self,
        number: int,
        progress: Progress,
        choose: Callable[[RawBatch], RawBatch] | None = None,
    ) -> tuple[RawBatch, Memo]:
        """Return what a branch has to do, and what is evaluated of that.

        Args:
            number: The branch.
            progress: How far it is.
            choose: Leaves out records that are not meant for it.
        """
        if number not in self.parts:
            part = progress.remaining(self.fresh if choose is None else choose(self.fresh))
            self.parts[number] = (part, self.memo if part is self.fresh else {})
        return self.parts[number]
