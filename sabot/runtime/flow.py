"""What one pipeline actor does with a raw batch: decode, steps, ends.

The plan below a set of scans is evaluated branch by branch; what branches share is
evaluated once per batch. A branch that has finished a batch is not run again for it when
a later one fails and the batch is taken up anew.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from sabot.clock import Clock, SystemClock
from sabot.codecs.codec import Codec
from sabot.errors import ProcessingError
from sabot.operators.base import Operator
from sabot.operators.stateful import StatefulOperator
from sabot.plan.nodes import ForEach, Node, Scan, Terminal, Union, Write, parents
from sabot.runtime.breaker import Breaker
from sabot.runtime.faults import RowFault, fatal, partition_of, run_step
from sabot.runtime.in_hand import InHand, Memo
from sabot.runtime.incoming import Incoming
from sabot.runtime.lettered import Lettered
from sabot.runtime.policy import ErrorPolicy, Stage, Verdict, is_transient_cause
from sabot.runtime.progress import Held, Progress, only_rows
from sabot.runtime.python_values import python_rows
from sabot.runtime.replays import meant_for
from sabot.runtime.stateful_step import run_stateful
from sabot.runtime.stops import Stops, before, keep, merge, without
from sabot.runtime.writer import Writer
from sabot.types import Batch, RawBatch, TopicPartition

__all__ = ["Branch", "Effects", "Flow", "ScanStep"]

_TRANSIENT_SECONDS = 300.0
"""How long a failure that may pass is waited out before it ends the pipeline."""


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


@dataclass(slots=True, eq=False)
class ScanStep:
    """A scan with what it takes to decode.

    Attributes:
        node: The scan.
        topic: The topic it reads; ``None`` for a source without topics.
        codec: Decodes values; ``None`` where rows never were bytes.
        policy: The error policy of everything below it.
        incoming: Adds columns of keys and headers, where they are asked for.
    """

    node: Scan
    topic: str | None
    codec: Codec | None
    policy: ErrorPolicy
    incoming: Incoming | None = None


@dataclass(slots=True, eq=False)
class Branch:
    """One end of the plan, and how far it has come.

    Attributes:
        stateful: The steps above it that keep state; no other branch has them.
        volatile: The nodes whose rows depend on state, by identity: what was evaluated of
            them holds for one attempt only.
    """

    node: Terminal
    scans: Sequence[ScanStep]
    progress: Progress
    writer: Writer | None = None
    function: Callable[[dict[str, Any]], Any] | None = None
    collect: Callable[[Batch], None] | None = None
    stateful: Sequence[StatefulOperator] = ()
    volatile: frozenset[int] = frozenset()

    def reads(self, topic: str | None) -> bool:
        """Whether rows of a topic come by here."""
        return any(scan.topic == topic for scan in self.scans)


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
        self._breaker = Breaker()
        self._lettered = Lettered()
        self._exhausted: dict[tuple[TopicPartition | None, int], int] = {}

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
        self._lettered.forget_but(self.held_partitions())
        if failures:
            raise fatal(failures[0])

    def retry_due(self, now: float) -> float | None:
        """Try again what waits behind failed records; return seconds until the next try."""
        upcoming: list[float] = []
        for branch in self.branches:
            for tp in list(branch.progress.held):
                held = branch.progress.held[tp]
                if held.due <= now:
                    self._retry(branch, tp, held, now)
                if tp in branch.progress.held:
                    upcoming.append(branch.progress.held[tp].due - now)
        self._lettered.forget_but(self.held_partitions())
        return max(0.0, min(upcoming)) if upcoming else None

    @property
    def is_settled(self) -> bool:
        """Whether the branches' positions cover just what has left by them."""
        return self._in_hand is None and not any(
            held.unsettled for branch in self.branches for held in branch.progress.held.values()
        )

    def held_partitions(self) -> frozenset[TopicPartition]:
        """Return the partitions that must not be read on at present."""
        return frozenset(tp for branch in self.branches for tp in branch.progress.held)

    # --- one branch -----------------------------------------------------------------

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
        stops = self._judge(prepared.faults, policy, branch)
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
                merge(stops, self._judge([fault], policy, branch))
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
            if self._fails(fault, scan.policy):
                failures.append(fault)
            else:
                self._hold(branch, raw, tp, fault, scan.policy)
        if None in stops:
            failures.append(stops[None])
        return failures

    def _fails(self, fault: RowFault, policy: ErrorPolicy) -> bool:
        if fault.transient:
            return False
        if (fault.partition, fault.offset) in self._exhausted:
            return policy.exhausted() is Verdict.FAIL
        return policy.verdict(fault.stage) is Verdict.FAIL

    # --- waiting and trying again ---------------------------------------------------

    def _hold(
        self,
        branch: Branch,
        raw: RawBatch,
        tp: TopicPartition,
        fault: RowFault,
        policy: ErrorPolicy,
    ) -> None:
        now = self._clock.monotonic()
        due = now + _wait(policy, 0)
        waiting = deque([only_rows(raw, tp, fault.offset)])
        branch.progress.held[tp] = Held(fault, waiting, 1, due, now)

    def _retry(self, branch: Branch, tp: TopicPartition, held: Held, now: float) -> None:
        """Run what waits, oldest first, until something fails again or nothing is left."""
        policy = next(scan.policy for scan in branch.scans if scan.topic == tp.topic)
        key = (tp, held.fault.offset)
        if held.fault.transient and now - held.since > _TRANSIENT_SECONDS:
            raise fatal(held.fault)
        if not held.fault.transient and held.attempt >= policy.max_attempts:
            self._exhausted[key] = held.attempt
        del branch.progress.held[tp]
        try:
            while held.waiting:
                raw = held.waiting[0]
                held.unsettled = True
                failures = self._run(branch, raw, tp.topic, {})
                held.unsettled = False
                if failures:
                    raise fatal(failures[0])
                held.waiting.popleft()
                again = branch.progress.held.get(tp)
                if again is not None:
                    self._keep_waiting(held, again, policy, now)
                    return
        except BaseException:
            branch.progress.held.setdefault(tp, held)
            held.due = now + _wait(policy, held.attempt)
            raise
        finally:
            self._exhausted.pop(key, None)

    @staticmethod
    def _keep_waiting(held: Held, again: Held, policy: ErrorPolicy, now: float) -> None:
        again.waiting.extend(held.waiting)
        if again.fault.offset == held.fault.offset:
            again.attempt = held.attempt + 1
            again.since = held.since
            again.due = now + _wait(policy, held.attempt)

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
            self._breaker.succeeded(scan.node.name)
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
        stops = self._judge(faults, scan.policy, scan)
        return _Passage(before(batch, stops), scan, stops)

    def _step(self, operator: Operator, passage: _Passage) -> _Passage:
        policy = passage.scan.policy
        halts = policy.verdict(Stage.PROCESS) in (Verdict.FAIL, Verdict.RETRY)
        if isinstance(operator, StatefulOperator):
            batch, faults = run_stateful(operator, passage.batch, policy, halts=halts)
        else:
            batch, faults = run_step(operator, passage.batch, policy, halts=halts)
        if passage.batch.num_rows > len(faults):
            self._breaker.succeeded(operator.name)
        if not faults:
            return _Passage(batch, passage.scan, passage.stops)
        stops = dict(passage.stops)
        merge(stops, self._judge(faults, policy, operator))
        return _Passage(before(batch, stops), passage.scan, stops)

    def _judge(
        self, faults: Sequence[RowFault], policy: ErrorPolicy, place: object
    ) -> dict[TopicPartition | None, RowFault]:
        """Apply the policy to rows that failed at a place; return what withholds others.

        A failure behind another one that withholds it is not judged now: it will come up
        again when its turn comes.
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

    def _verdict(self, fault: RowFault, policy: ErrorPolicy) -> Verdict:
        if fault.transient:
            return Verdict.RETRY
        if (fault.partition, fault.offset) in self._exhausted:
            return policy.exhausted()
        return policy.verdict(fault.stage)

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


def _wait(policy: ErrorPolicy, attempt: int) -> float:
    seconds: float = min(policy.backoff_seconds * 2.0**attempt, 30.0)
    return seconds * random.uniform(0.8, 1.2)
