"""What one pipeline actor does with a raw batch: decode, steps, ends.

The plan below a set of scans is evaluated branch by branch; what branches share is
evaluated once per batch. A branch that has finished a batch is not run again for it when
a later one fails and the batch is taken up anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from sabot.clock import Clock, SystemClock
from sabot.operators.base import Operator
from sabot.operators.stateful import StatefulOperator
from sabot.plan.nodes import ForEach, Node, Scan, Terminal, Union, Write, parents
from sabot.runtime.branch import Branch, ScanStep
from sabot.runtime.faults import RowFault, fatal, partition_of, run_step
from sabot.runtime.in_hand import InHand, Memo
from sabot.runtime.judge import Judge
from sabot.runtime.policy import ErrorPolicy, Stage, Verdict, is_transient_cause
from sabot.runtime.python_values import python_rows
from sabot.runtime.replays import meant_for
from sabot.runtime.stateful_step import run_stateful
from sabot.runtime.stops import Stops, before, keep, merge, without
from sabot.runtime.waiting import Waiting
from sabot.types import Batch, RawBatch, TopicPartition

__all__ = ["Effects", "Flow"]


class Effects(Protocol):
    """What a flow does to the world; the actor and the in-process driver differ in it."""

    def skipped(self, fault: RowFault, policy: ErrorPolicy, /) -> None:
        """A record was skipped."""
        ...

    def dead_letter(self, fault: RowFault, policy: ErrorPolicy, attempt: int, /) -> None:
        """Send a record to the dead-letter topic."""
        ...

    def sent(self, branch: Branch, parcel: Any, rows: int, /) -> None:
        """Rows have left by a branch."""
        ...

    def may_finish(self, tp: TopicPartition, epoch: int, /) -> bool:
        """Whether rows of that assignment may still be written."""
        ...


@dataclass(frozen=True, slots=True)
class _Passage:
    """Rows at one point of the plan.

    Attributes:
        batch: The rows.
        scan: Where they came in.
        stops: Per partition the first failure that withholds it and all behind it.
    """

    batch: Batch
    scan: ScanStep
    stops: Stops = field(default_factory=dict)


class Flow:
    """The plan of one actor.

    Args:
        scans: The sources.
        operators: The operator of each step node, by the node's identity.
        branches: The ends, in the order they were defined.
        effects: What happens to the world.
        neighbours: The ends of other flows that may read the same retry topics.
        clock: Times retries.
    """

    def __init__(
        self,
        scans: Sequence[ScanStep],
        operators: Mapping[int, Operator],
        branches: Sequence[Branch],
        effects: Effects,
        neighbours: Sequence[Terminal] = (),
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.scans = scans
        self.branches = branches
        self._operators = operators
        self._effects = effects
        self._in_hand: InHand | None = None
        self._failed: RawBatch | None = None
        self._retry_topics = {
            scan.topic for scan in scans if getattr(scan.node.source, "is_retry", False)
        }
        ends = [branch.node for branch in branches]
        rivals = [*ends, *neighbours]
        self._meant_for = [meant_for(end, rivals) for end in ends] if self._retry_topics else []
        self._judge = Judge(effects, self._clock)
        self._waiting = Waiting(branches, self._judge, self._again, self._clock)

    def receive(
        self, raw: RawBatch, topic: str | None, stale: Collection[TopicPartition] = ()
    ) -> None:
        """Run all branches over a raw batch.

        Args:
            raw: The batch.
            topic: The topic it was read from.
            stale: Partitions that have gone since; their records are left out.

        Raises:
            ProcessingError: With a true ``fatal`` where a policy says to fail; the
                positions say what was finished before. Given the same batch again, it
                goes on behind that.
            TransientFaultError, BatchFaultError: Give the same batch again later; branches that
                have finished it are not run again.
        """
        hand = self._in_hand
        if hand is None or hand.raw is not raw:
            hand = self._in_hand = InHand(raw, raw)
        hand.leave_out(stale)
        failures: list[RowFault] = []
        for number, branch in enumerate(self.branches):
            if number in hand.finished or not branch.reads(topic):
                continue
            choose = self._meant_for[number] if topic in self._retry_topics else None
            if raw is self._failed:
                choose = _both(choose, branch.progress.beyond)
            part, memo = hand.part(number, branch.progress, choose)
            failures += self._run(branch, part, topic, memo)
            hand.finished.add(number)
        self._in_hand = None
        self._failed = raw if failures else None
        self._judge.forget_but(self.held_partitions())
        if failures:
            raise fatal(failures[0])

    def retry_due(self, now: float) -> float | None:
        """Try again what waits behind failed records; return seconds until the next try."""
        left = self._waiting.retry_due(now)
        self._judge.forget_but(self.held_partitions())
        return left

    @property
    def is_settled(self) -> bool:
        """Whether the branches' positions cover just what has left by them."""
        return self._in_hand is None and self._waiting.is_settled

    def held_partitions(self) -> frozenset[TopicPartition]:
        """Return the partitions that must not be read on at present."""
        return self._waiting.partitions

    # --- one branch -----------------------------------------------------------------

    def _again(self, branch: Branch, raw: RawBatch, topic: str) -> list[RowFault]:
        return self._run(branch, raw, topic, {})

    def _run(self, branch: Branch, raw: RawBatch, topic: str | None, memo: Memo) -> list[RowFault]:
        """Run one branch over a raw batch; return what its policy says to fail for.

        What the batch changed in the branch's state is kept up to where its positions
        then stand, and dropped where it is given again.
        """
        if not branch.stateful:
            return self._run_through(branch, raw, topic, memo)
        try:
            return self._run_through(branch, raw, topic, memo)
        except BaseException:
            for node in branch.volatile:
                memo.pop(node, None)
            raise
        finally:
            for operator in branch.stateful:
                operator.drop()

    def _run_through(
        self, branch: Branch, raw: RawBatch, topic: str | None, memo: Memo
    ) -> list[RowFault]:
        passages = self._evaluate(_above(branch.node), raw, topic, memo)
        stops: dict[TopicPartition | None, RowFault] = {}
        for passage in passages:
            merge(stops, passage.stops)
        for passage in passages:
            batch = self._writable(before(passage.batch, stops))
            merge(stops, self._end(branch, passage, batch))
        return self._settle(branch, raw, stops)

    def _end(
        self, branch: Branch, passage: _Passage, batch: Batch
    ) -> dict[TopicPartition | None, RowFault]:
        """Let rows leave; return the failures that withhold what is behind them."""
        policy = passage.scan.policy
        if branch.collect is not None:
            branch.collect(batch)
            return {}
        if batch.num_rows == 0:
            return {}
        if branch.function is not None:
            return self._call_each(branch, batch, policy)
        assert branch.writer is not None
        prepared = branch.writer.prepare(batch, passage.scan.codec)
        stops = self._judge.judge(prepared.faults, policy, branch)
        if stops:
            # What waits behind a row that cannot be written must not leave before it.
            bad = {fault.number for fault in prepared.faults}
            good = before(without(batch, bad), stops)
            prepared = branch.writer.prepare(good, passage.scan.codec)
        parcel = branch.writer.send(prepared)
        if parcel is not None:
            self._effects.sent(branch, parcel, parcel.accepted)
        return stops

    def _call_each(
        self, branch: Branch, batch: Batch, policy: ErrorPolicy
    ) -> dict[TopicPartition | None, RowFault]:
        """Call a function for each row, once, in order."""
        assert branch.function is not None
        stops: dict[TopicPartition | None, RowFault] = {}
        done = 0
        rows, unfit = python_rows(batch.columns)
        for row, values in enumerate(rows):
            if stops and partition_of(batch, row) in stops:
                continue
            try:
                if row in unfit:
                    raise unfit[row]
                branch.function(values)
                done += 1
            except Exception as error:
                fault = RowFault(
                    batch.origin,
                    batch.record_number(row),
                    Stage.PROCESS,
                    branch.node.name,
                    error,
                    is_transient_cause(error, policy),
                )
                merge(stops, self._judge.judge([fault], policy, branch))
        self._effects.sent(branch, None, done)
        return stops

    def _settle(self, branch: Branch, raw: RawBatch, stops: Stops) -> list[RowFault]:
        """Move the branch's positions; hold what must wait, return what must fail."""
        failures: list[RowFault] = []
        if not raw.records and None not in stops:
            for operator in branch.stateful:
                operator.settle(0)
        for tp, offset in raw.next_offsets.items():
            fault = stops.get(tp)
            for operator in branch.stateful:
                operator.settle(tp.partition, None if fault is None else fault.offset)
            if fault is None:
                branch.progress.advance(tp, raw.epochs[tp], offset)
                continue
            branch.progress.advance(tp, raw.epochs[tp], fault.offset)
            scan = next(scan for scan in branch.scans if scan.topic == tp.topic)
            if self._judge.ends(fault, scan.policy):
                failures.append(fault)
            else:
                self._waiting.hold(branch, raw, tp, fault, scan.policy)
        if None in stops:
            failures.append(stops[None])
        return failures

    # --- evaluation -----------------------------------------------------------------

    def _evaluate(self, node: Node, raw: RawBatch, topic: str | None, memo: Memo) -> list[_Passage]:
        known = memo.get(id(node))
        if known is None:
            known = memo[id(node)] = self._compute(node, raw, topic, memo)
        return known

    def _compute(self, node: Node, raw: RawBatch, topic: str | None, memo: Memo) -> list[_Passage]:
        if isinstance(node, Scan):
            scan = next(scan for scan in self.scans if scan.node is node)
            return [self._decode(scan, raw)] if scan.topic == topic else []
        if isinstance(node, Union):
            return [
                passage
                for member in node.members
                for passage in self._evaluate(member, raw, topic, memo)
            ]
        above = self._evaluate(parents(node)[0], raw, topic, memo)
        return [self._step(self._operators[id(node)], passage) for passage in above]

    def _decode(self, scan: ScanStep, raw: RawBatch) -> _Passage:
        if raw.columns is not None or scan.codec is None:
            columns = raw.columns if raw.columns is not None else pa.record_batch([], names=[])
            return _Passage(Batch(columns, raw), scan)
        decoded = scan.codec.decode(raw.values)
        names = tuple(decoded.rows.schema.names)
        intact = frozenset(names)
        if decoded.rows.num_rows:
            self._judge.passed(scan.node.name)
        if not decoded.failures and scan.incoming is None:
            return _Passage(Batch(decoded.rows, raw, None, names, intact), scan)
        bad = {failure.index for failure in decoded.failures}
        good = [number for number in range(len(raw.values)) if number not in bad]
        index = pa.array(good, pa.int32()) if bad else None
        batch = Batch(decoded.rows, raw, index, names, intact)
        faults = [
            RowFault(raw, failure.index, Stage.DECODE, scan.node.name, failure.error)
            for failure in decoded.failures
        ]
        if scan.incoming is not None:
            batch, undecoded = scan.incoming.attach(batch)
            faults = sorted(faults + undecoded, key=lambda fault: fault.number)
        stops = self._judge.judge(faults, scan.policy, scan)
        return _Passage(before(batch, stops), scan, stops)

    def _step(self, operator: Operator, passage: _Passage) -> _Passage:
        policy = passage.scan.policy
        halts = policy.verdict(Stage.PROCESS) in (Verdict.FAIL, Verdict.RETRY)
        if isinstance(operator, StatefulOperator):
            batch, faults = run_stateful(operator, passage.batch, policy, halts=halts)
        else:
            batch, faults = run_step(operator, passage.batch, policy, halts=halts)
        if passage.batch.num_rows > len(faults):
            self._judge.passed(operator.name)
        if not faults:
            return _Passage(batch, passage.scan, passage.stops)
        stops = dict(passage.stops)
        merge(stops, self._judge.judge(faults, policy, operator))
        return _Passage(before(batch, stops), passage.scan, stops)

    def _writable(self, batch: Batch) -> Batch:
        """Leave out rows of partitions that are no longer ours to write for."""
        raw = batch.origin
        stale = {tp for tp, epoch in raw.epochs.items() if not self._effects.may_finish(tp, epoch)}
        if not stale:
            return batch
        return keep(batch, lambda tp, _: tp not in stale)


def _both(
    first: Callable[[RawBatch], RawBatch] | None, second: Callable[[RawBatch], RawBatch]
) -> Callable[[RawBatch], RawBatch]:
    return second if first is None else lambda raw: second(first(raw))


def _above(node: Terminal) -> Node:
    return parents(node)[0] if isinstance(node, Write | ForEach) else node
