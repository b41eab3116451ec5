"""How fast pipelines run: the difference of two looks at a worker's statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sabot.runtime.statistics import PipelineStatistics, WorkerStatistics

__all__ = ["OutputRate", "PipelineRate", "rates"]


@dataclass(frozen=True, slots=True)
class OutputRate:
    """One output of a pipeline.

    Attributes:
        name: As in ``explain()``.
        records: Records it has written or handled so far.
        per_second: Records of the last interval, by its seconds.
    """

    name: str
    records: int
    per_second: float


@dataclass(frozen=True, slots=True)
class PipelineRate:
    """One pipeline, with what it reads and what it makes of it.

    Attributes:
        name: The pipeline's name.
        state: Where it is in its life, as a word.
        records: Records it has read so far.
        per_second: Records of the last interval, by its seconds.
        waiting: Records that wait in its mailbox.
        restarts: How often it was started again after a failure.
        outputs: Its outputs, in the order of the plan.
    """

    name: str
    state: str
    records: int
    per_second: float
    waiting: int
    restarts: int
    outputs: tuple[OutputRate, ...]


def rates(before: WorkerStatistics | None, after: WorkerStatistics) -> tuple[PipelineRate, ...]:
    """Return what every pipeline did between two looks.

    A counter that went down belongs to a pipeline that was started again, and counts
    from nothing.

    Args:
        before: The earlier look; ``None`` counts from nothing.
        after: The later one.
    """
    seconds = after.seconds - (before.seconds if before else 0.0)
    known = {pipeline.name: pipeline for pipeline in before.pipelines} if before else {}
    return tuple(_rate(known.get(pipeline.name), pipeline, seconds) for pipeline in after.pipelines)


def _rate(
    before: PipelineStatistics | None, after: PipelineStatistics, seconds: float
) -> PipelineRate:
    earlier: Mapping[str, int] = before.records_out if before else {}
    return PipelineRate(
        name=after.name,
        state=after.state,
        records=after.records_in,
        per_second=_speed(before.records_in if before else 0, after.records_in, seconds),
        waiting=after.depth,
        restarts=after.restarts,
        outputs=tuple(
            OutputRate(name, records, _speed(earlier.get(name, 0), records, seconds))
            for name, records in after.records_out.items()
        ),
    )


def _speed(before: int, after: int, seconds: float) -> float:
    if seconds <= 0:
        return 0.0
    return (after - before if after >= before else after) / seconds
