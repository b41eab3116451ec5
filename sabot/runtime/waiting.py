"""Rows that wait behind one that failed, partition by partition, and when they are tried again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sabot.clock import Clock
from sabot.runtime.branch import Branch
from sabot.runtime.faults import RowFault, fatal
from sabot.runtime.judge import Judge
from sabot.runtime.policy import ErrorPolicy
from sabot.runtime.progress import Held, only_rows
from sabot.types import RawBatch, TopicPartition

__all__ = ["Waiting"]

_TRANSIENT_SECONDS = 300.0
"""How long a failure that may pass is waited out before it ends the pipeline."""


class Waiting:
    """Holds partitions back for the branches of one flow.

    Args:
        branches: The branches; what waits is in their progress.
        judge: Gives the verdict when the tries are used up.
        run: Runs a branch over a raw batch of a topic again; returns what has to fail.
        clock: Times the tries.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        judge: Judge,
        run: Callable[[Branch, RawBatch, str], list[RowFault]],
        clock: Clock,
    ) -> None:
        self._branches = branches
        self._judge = judge
        self._run = run
        self._clock = clock

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions that are held back."""
        return frozenset(tp for branch in self._branches for tp in branch.progress.held)

    @property
    def is_settled(self) -> bool:
        """Whether no try was broken off."""
        return not any(
            held.unsettled for branch in self._branches for held in branch.progress.held.values()
        )

    def hold(
        self,
        branch: Branch,
        raw: RawBatch,
        tp: TopicPartition,
        fault: RowFault,
        policy: ErrorPolicy,
    ) -> None:
        """Hold a partition's rows of a raw batch back, from the failed one on."""
        now = self._clock.monotonic()
        due = now + _wait(policy, 0)
        waiting = deque([only_rows(raw, tp, fault.offset)])
        branch.progress.held[tp] = Held(fault, waiting, 1, due, now)

    def retry_due(self, now: float) -> float | None:
        """Try again what is due; return seconds until the next try.

        Raises:
            ProcessingError: If a record fails for good.
        """
        upcoming: list[float] = []
        for branch in self._branches:
            for tp in list(branch.progress.held):
                held = branch.progress.held[tp]
                if held.due <= now:
                    self._retry(branch, tp, held, now)
                if tp in branch.progress.held:
                    upcoming.append(branch.progress.held[tp].due - now)
        return max(0.0, min(upcoming)) if upcoming else None

    def _retry(self, branch: Branch, tp: TopicPartition, held: Held, now: float) -> None:
        """Run what waits, oldest first, until something fails again or nothing is left."""
        policy = next(scan.policy for scan in branch.scans if scan.topic == tp.topic)
        if held.fault.transient and now - held.since > _TRANSIENT_SECONDS:
            raise fatal(held.fault)
        del branch.progress.held[tp]
        with ExitStack() as tries:
            if not held.fault.transient and held.attempt >= policy.max_attempts:
                tries.enter_context(self._judge.last_try(tp, held.fault.offset, held.attempt))
            try:
                self._work_off(branch, tp, held, policy, now)
            except BaseException:
                branch.progress.held.setdefault(tp, held)
                held.due = now + _wait(policy, held.attempt)
                raise

    def _work_off(
        self, branch: Branch, tp: TopicPartition, held: Held, policy: ErrorPolicy, now: float
    ) -> None:
        while held.waiting:
            held.unsettled = True
            failures = self._run(branch, held.waiting[0], tp.topic)
            held.unsettled = False
            if failures:
                raise fatal(failures[0])
            held.waiting.popleft()
            again = branch.progress.held.get(tp)
            if again is not None:
                _keep_waiting(held, again, policy, now)
                return


def _keep_waiting(held: Held, again: Held, policy: ErrorPolicy, now: float) -> None:
    again.waiting.extend(held.waiting)
    if again.fault.offset == held.fault.offset:
        again.attempt = held.attempt + 1
        again.since = held.since
        again.due = now + _wait(policy, held.attempt)


def _wait(policy: ErrorPolicy, attempt: int) -> float:
    seconds: float = min(policy.backoff_seconds * 2.0**attempt, 30.0)
    return seconds * random.uniform(0.8, 1.2)
