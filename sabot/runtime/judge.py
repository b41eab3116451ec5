"""What becomes of rows that failed: skipped, dead-lettered, tried again, or the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from sabot.clock import Clock
from sabot.errors import ProcessingError
from sabot.runtime.breaker import Breaker
from sabot.runtime.faults import RowFault
from sabot.runtime.lettered import Lettered
from sabot.runtime.policy import ErrorPolicy, Verdict
from sabot.runtime.stops import merge
from sabot.types import TopicPartition

__all__ = ["Judge", "PassedOver"]


class PassedOver(Protocol):
    """What happens to records that the others need not wait for."""

    def skipped(self, fault: RowFault, policy: ErrorPolicy, /) -> None:
        """A record was skipped."""
        ...

    def dead_letter(self, fault: RowFault, policy: ErrorPolicy, attempt: int, /) -> None:
        """Send a record to the dead-letter topic."""
        ...


class Judge:
    """Applies error policies to the rows of one flow.

    Args:
        effects: What happens to records that are passed over.
        clock: Times a step that takes nothing.
    """

    def __init__(self, effects: PassedOver, clock: Clock) -> None:
        self._effects = effects
        self._clock = clock
        self._breaker = Breaker()
        self._lettered = Lettered()
        self._exhausted: dict[tuple[TopicPartition | None, int], int] = {}

    def judge(
        self, faults: Sequence[RowFault], policy: ErrorPolicy, place: object
    ) -> dict[TopicPartition | None, RowFault]:
        """Apply the policy to rows that failed at a place; return what withholds others.

        A failure behind another one that withholds it is not judged now: it will come up
        again when its turn comes.

        Raises:
            ProcessingError: If the place has taken no row for long.
        """
        stops: dict[TopicPartition | None, RowFault] = {}
        passing: list[tuple[RowFault, Verdict]] = []
        for fault in faults:
            verdict = self._verdict(fault, policy)
            if verdict in (Verdict.FAIL, Verdict.RETRY):
                merge(stops, {fault.partition: fault})
            else:
                passing.append((fault, verdict))
        for fault, verdict in passing:
            stop = stops.get(fault.partition)
            if stop is not None and fault.offset > stop.offset:
                continue
            if verdict is Verdict.DEAD_LETTER and not self._lettered.is_first(fault, place):
                continue
            if self._breaker.failed(fault.step, self._clock.monotonic()):
                raise _all_fail(fault, policy)
            if verdict is Verdict.SKIP:
                self._effects.skipped(fault, policy)
            else:
                attempt = self._exhausted.get((fault.partition, fault.offset), 0) + 1
                self._effects.dead_letter(fault, policy, attempt)
        return stops

    def ends(self, fault: RowFault, policy: ErrorPolicy) -> bool:
        """Whether a row that withholds others is the end, and not tried again."""
        return self._verdict(fault, policy) is Verdict.FAIL

    def passed(self, step: str) -> None:
        """Take note that a step has taken a row."""
        self._breaker.succeeded(step)

    @contextmanager
    def last_try(self, tp: TopicPartition, offset: int, tries: int) -> Iterator[None]:
        """Give the verdict for a record whose tries are used up, while the block runs."""
        self._exhausted[tp, offset] = tries
        try:
            yield
        finally:
            del self._exhausted[tp, offset]

    def forget_but(self, held: Collection[TopicPartition]) -> None:
        """Forget which dead letters were sent of other partitions: they do not come again."""
        self._lettered.forget_but(held)

    def _verdict(self, fault: RowFault, policy: ErrorPolicy) -> Verdict:
        if fault.transient:
            return Verdict.RETRY
        if (fault.partition, fault.offset) in self._exhausted:
            return policy.exhausted()
        return policy.verdict(fault.stage)


def _all_fail(fault: RowFault, policy: ErrorPolicy) -> ProcessingError:
    """Return the error that ends a pipeline in which no record gets through a step."""
    error = ProcessingError(
        f"step {fault.step!r} has taken no record for a minute; the last it failed for is "
        f"{fault.where}: {type(fault.error).__name__}: {fault.error}. Policy "
        f"{policy.policy or 'skip'!r} is for single records, so it stops here",
        step=fault.step,
        where=fault.where,
        key=fault.key,
    )
    error.fatal = True
    error.__cause__ = fault.error
    return error
