"""The measurement, made by somebody who only looks at the broker and at ``/proc``."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.flag.broker import Broker
from benchmarks.flag.process import ContenderProcess, Snapshot

__all__ = ["MARK_FROM", "MARK_TO", "POLL_SECONDS", "Measurement", "Order", "VoidRunError", "watch"]

POLL_SECONDS = 0.05
MARK_FROM = 0.05
"""The clock starts at the first poll that sees this share of the outputs."""
MARK_TO = 0.30
"""If that poll already sees this much, the run was too short to be measured."""
_COMMIT_PATIENCE = 30.0
_STALL_PATIENCE = 60.0


class VoidRunError(Exception):
    """A run that counts for nothing, with the reason."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one run has to do: from where, to where, and how many outputs are right."""

    source: str
    output: str
    group: str
    records: int
    expected: int
    commits: bool
    timed: bool
    """Whether the output topic keeps the broker's time of append; else nothing is measured."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run in figures; ``rate`` and what belongs to it is ``None`` in a run too short.

    Attributes:
        rate: Input records per second between the mark and the last output.
        window_seconds: The time that ``rate`` is taken over.
        window_share: The share of all records that fell into that time.
        start_to_last_seconds: From the start of the process to the last output.
        commit_lag_seconds: From the last output to the commit of the last input.
        cpu_us_per_record: CPU of the contender's process in the window.
        minor_faults_per_record: Page faults without I/O in the window.
    """

    rate: float | None
    window_seconds: float | None
    window_share: float | None
    start_to_last_seconds: float
    commit_lag_seconds: float | None
    cpu_us_per_record: float | None
    minor_faults_per_record: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for the results file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    seen: int
    used: Snapshot


def watch(broker: Broker, process: ContenderProcess, order: Order) -> Measurement:
    """Follow one run from its start until its outputs are there and its inputs committed.

    Raises:
        VoidRunError: When the process ends or stalls, or when it writes more than it should.
    """
    mark, ended = _follow_outputs(broker, process, order)
    last = broker.last_append(order.output) if order.timed else time.time()
    lag = _follow_commits(broker, process, order, last) if order.commits else None
    window = last - mark.at
    done = (order.expected - mark.seen) * order.records / order.expected
    measurable = order.timed and mark.seen < MARK_TO * order.expected and window > 0
    return Measurement(
        rate=done / window if measurable else None,
        window_seconds=window if measurable else None,
        window_share=done / order.records if measurable else None,
        start_to_last_seconds=last - process.started,
        commit_lag_seconds=lag,
        cpu_us_per_record=(
            (ended.cpu_seconds - mark.used.cpu_seconds) / done * 1e6 if measurable else None
        ),
        minor_faults_per_record=(
            (ended.minor_faults - mark.used.minor_faults) / done if measurable else None
        ),
    )


def _follow_outputs(
    broker: Broker, process: ContenderProcess, order: Order
) -> tuple[_Mark, Snapshot]:
    mark: _Mark | None = None
    before, moved = 0, time.monotonic()
    while True:
        asked = time.time()
        seen = broker.count(order.output)
        at = (asked + time.time()) / 2
        used = process.snapshot()
        if used is None:
            raise VoidRunError(f"ended early, with {seen} of {order.expected} outputs")
        if seen > order.expected:
            raise VoidRunError(f"wrote {seen} outputs where {order.expected} are right")
        if mark is None and seen >= MARK_FROM * order.expected:
            mark = _Mark(at, seen, used)
        if mark is not None and seen == order.expected:
            return mark, used
        if seen != before:
            before, moved = seen, time.monotonic()
        elif time.monotonic() - moved > _STALL_PATIENCE:
            raise VoidRunError(
                f"stood at {seen} of {order.expected} outputs for {_STALL_PATIENCE:.0f} s"
            )
        time.sleep(POLL_SECONDS)


def _follow_commits(broker: Broker, process: ContenderProcess, order: Order, last: float) -> float:
    ends = broker.ends(order.source)
    while broker.committed(order.group, order.source) != ends:
        if process.usage is not None:
            raise VoidRunError("ended before it had committed its inputs")
        if time.time() - last > _COMMIT_PATIENCE:
            raise VoidRunError(
                f"its inputs are not committed {_COMMIT_PATIENCE:.0f} s after its outputs"
            )
        time.sleep(POLL_SECONDS)
    return max(0.0, time.time() - last)
