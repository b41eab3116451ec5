"""Runs a plan here and now, in the caller's thread, and returns its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pyarrow as pa

from sabot.errors import PlanError
from sabot.operators.stateful import StatefulOperator
from sabot.plan.nodes import Node, Scan, Terminal, ancestors
from sabot.runtime.branch import Branch
from sabot.runtime.build import scan_step
from sabot.runtime.compile import build_operator, is_step
from sabot.runtime.faults import RowFault
from sabot.runtime.flow import Flow
from sabot.runtime.policy import ErrorPolicy
from sabot.runtime.progress import Progress
from sabot.runtime.stateful_plan import check_stateful, volatile_nodes
from sabot.state import MemoryStore, Shard
from sabot.types import Batch, RawBatch, TopicPartition

__all__ = ["collect"]


class _Quiet:
    """The effects of looking: none. What a policy would skip is left out."""

    def skipped(self, _fault: RowFault, _policy: ErrorPolicy) -> None:
        return None

    def dead_letter(self, _fault: RowFault, _policy: ErrorPolicy, _attempt: int) -> None:
        return None

    def sent(self, _branch: Branch, _parcel: Any, _rows: int) -> None:
        return None

    def may_finish(self, _tp: TopicPartition, _epoch: int) -> bool:
        return True


def collect(node: Node, *, limit: int | None = None, timeout: float | None = None) -> pa.Table:
    """Run the plan that ends in ``node`` and return its rows.

    Args:
        node: The last step.
        limit: Most rows to return.
        timeout: Seconds after which to return what there is.

    Raises:
        PlanError: If a source has no end and neither bound is given.
        ProcessingError: If a step fails and the policy says to fail.
    """
    if limit is not None and limit < 0:
        raise PlanError(f"limit is {limit!r}; allowed is 0 or more rows")
    check_stateful([cast("Terminal", node)])
    scans = [above for above in ancestors(node) if isinstance(above, Scan)]
    endless = [scan for scan in scans if not scan.source.bounded]
    if endless and limit is None and timeout is None:
        raise PlanError(
            f"collect() on {endless[0].source.title} would never return; give it limit= "
            f"(rows), timeout= (seconds) or both"
        )
    deadline = None if timeout is None else time.monotonic() + timeout
    taken: list[pa.RecordBatch] = []
    flow = _flow(node, scans, lambda batch: taken.append(batch.columns))
    rows = 0
    for number, raw in _rounds(scans, deadline):
        before = len(taken)
        if raw is not None:
            flow.receive(raw, flow.scans[number].topic)
        flow.retry_due(time.monotonic())
        rows += sum(batch.num_rows for batch in taken[before:])
        if limit is not None and rows >= limit:
            break
        if deadline is not None and time.monotonic() >= deadline:
            break
    return _table(taken, limit)


def _flow(node: Node, scans: list[Scan], take: Callable[[Batch], None]) -> Flow:
    steps = [scan_step(scan) for scan in scans]
    operators = {id(each): build_operator(each) for each in ancestors(node) if is_step(each)}
    end: Any = node
    keeping = [each for each in operators.values() if isinstance(each, StatefulOperator)]
    for each in keeping:
        each.assign_all(lambda: Shard(MemoryStore(), "collect", 0))
    branch = Branch(
        end,
        steps,
        Progress("collect"),
        collect=take,
        stateful=keeping,
        volatile=volatile_nodes(node) if keeping else frozenset(),
    )
    return Flow(steps, operators, [branch], _Quiet())


def _rounds(scans: list[Scan], deadline: float | None) -> Iterator[tuple[int, RawBatch | None]]:
    """Yield raw batches with the number of their scan: bounded ones first, then in turn."""
    from sabot.kafka.peek import peek

    endless: list[tuple[int, Iterator[RawBatch | None]]] = []
    for number, scan in enumerate(scans):
        source: Any = scan.source
        if getattr(source, "is_retry", False):
            # What is sent back is a worker's business; a look is at the topic itself.
            continue
        if source.bounded:
            for raw in source.read():
                yield number, raw
        else:
            endless.append((number, peek(source, deadline)))
    try:
        while endless:
            for number, reading in endless:
                raw = next(reading, None)
                yield number, raw
    finally:
        for _, reading in endless:
            reading.close()  # type: ignore[attr-defined]


def _table(batches: list[pa.RecordBatch], limit: int | None) -> pa.Table:
    full = [batch for batch in batches if batch.num_rows] or batches[-1:]
    if not full:
        return pa.table({})
    tables = [pa.Table.from_batches([batch]) for batch in full]
    table = pa.concat_tables(tables, promote_options="permissive")
    return table if limit is None else table.slice(0, limit)
