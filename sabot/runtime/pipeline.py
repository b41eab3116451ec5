"""The actor that runs a flow: one thread, its steps in order, its own producing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from sabot.actors import Actor
from sabot.clock import Clock, SystemClock
from sabot.errors import BrokerUnavailableError, DeliveryError
from sabot.kafka.dead_letter import DeadLetter, send_dead_letter
from sabot.kafka.producer import KafkaProducer, Parcel
from sabot.logs import get_logger
from sabot.runtime.branch import Branch
from sabot.runtime.crash import crash_point
from sabot.runtime.faults import RowFault, fatal
from sabot.runtime.flow import Flow
from sabot.runtime.kept import Kept
from sabot.runtime.messages import Assigned, Committed, Cut, CutReport, Released, Resend, Work
from sabot.runtime.policy import ErrorPolicy, Stage, Verdict
from sabot.runtime.writer import Writer
from sabot.types import RawBatch, TopicPartition

__all__ = ["PipelineActor"]


_TICK_SECONDS: Final = 0.25
_RESEND_SECONDS: Final = 60.0

DeadLetters = Callable[[ErrorPolicy], tuple[KafkaProducer, str]]


class PipelineActor(Actor):
    """Runs the plan below some scans.

    Args:
        name: Its name.
        flow: Made by a function that is given the actor, which is the flow's effects.
        owns: Whether rows read under an epoch may be taken up.
        may_finish: Whether rows in hand may still be written.
        dead_letters: The producer and topic for a policy's dead letters.
        application: What dead letters name as the application.
        batch_size: Most records it wants in one raw batch.
        clock: Times retries.
    """

    def __init__(
        self,
        name: str,
        flow: Callable[[PipelineActor], Flow],
        *,
        owns: Callable[[TopicPartition, int], bool],
        may_finish: Callable[[TopicPartition, int], bool],
        dead_letters: DeadLetters,
        application: str,
        batch_size: int = 1000,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self.name = name
        self._may_finish = may_finish
        self.held: frozenset[TopicPartition] = frozenset()
        self.records_in = 0
        self.records_done = 0
        self.records_out: dict[str, int] = {}
        self.skipped_count = 0
        self.dead_letter_count = 0
        self._owns = owns
        self._dead_letters = dead_letters
        self._application = application
        self._outstanding: list[Parcel] = []
        self._in_hand: RawBatch | None = None
        self._settled: CutReport | None = None
        self.is_exact = False
        self._log = get_logger("sabot.pipeline").bind(pipeline=name)
        self.kind = "pipeline"
        self.on_finished: Callable[[], None] = lambda: None
        self.answers_itself = False
        self.flow = flow(self)
        self.batch_size = batch_size
        self.topics = frozenset(scan.topic for scan in self.flow.scans if scan.topic is not None)
        for branch in self.flow.branches:
            self.records_out[branch.node.name] = 0
        self._kept = Kept(
            (operator, branch.scans[0].topic)
            for branch in self.flow.branches
            for operator in branch.stateful
        )

    # --- messages -------------------------------------------------------------------

    def receive(self, message: Work) -> None:
        """Run a raw batch through the flow."""
        self._check_deliveries()
        self._mark()
        raw = message.raw
        if raw is not self._in_hand:
            self._in_hand = raw
            self.records_in += len(raw)
        try:
            self.flow.receive(raw, message.topic, self._stale(raw))
        finally:
            self.held = self.flow.held_partitions()
        self._in_hand = None
        self.records_done += len(raw)
        self.on_finished()
        # A parcel keeps the raw batch it was made of alive.
        self._prune()

    def _stale(self, raw: RawBatch) -> list[TopicPartition]:
        """Return the partitions of a batch that have gone since it was read."""
        return [tp for tp, epoch in raw.epochs.items() if not self._owns(tp, epoch)]

    def receive_control(self, message: Any) -> Any:
        """Answer a cut, resend what was refused, take note of partitions."""
        if isinstance(message, Cut):
            return self._cut(message.number)
        if isinstance(message, Resend):
            return self._resend()
        self._note(message)
        return None

    def _note(self, message: Any) -> None:
        if isinstance(message, Committed):
            self._kept.committed(message.number, message.ends)
            crash_point("state_folded")
        elif isinstance(message, Assigned):
            self._kept.assign(message.shards)
            for branch in self.flow.branches:
                for tp, start in message.starts.items():
                    if branch.reads(tp.topic):
                        branch.progress.assign(tp, start)
        elif isinstance(message, Released):
            for branch in self.flow.branches:
                for tp in message.partitions:
                    branch.progress.release(tp)
            self._kept.release(message.partitions)
            self._settled = (
                None if self._settled is None else self._settled.without(message.partitions)
            )
            self.held = self.flow.held_partitions()

    def tick(self) -> float | None:
        """Try held records again when they are due."""
        self._mark()
        try:
            wait = self.flow.retry_due(self._clock.monotonic())
        finally:
            self.held = self.flow.held_partitions()
        return _TICK_SECONDS if wait is None else min(wait, _TICK_SECONDS)

    @property
    def is_busy(self) -> bool:
        """Whether it has a batch in hand."""
        return self._in_hand is not None

    @property
    def in_hand_seconds(self) -> float | None:
        """Unknown here: its cell knows how long it has had its batch."""
        return None

    def where(self) -> str | None:
        """Return the place of the first record of the batch in hand."""
        raw = self._in_hand
        return None if raw is None else raw.where(0)

    def abandon(self) -> None:
        """Nothing to do: a batch in hand ends by itself, and is then not committed."""

    def branch_names(self, topic: str) -> list[str]:
        """Return the names of the branches that read a topic."""
        return [branch.progress.name for branch in self.flow.branches if branch.reads(topic)]

    def report(self) -> CutReport:
        """Return how far every branch has come and what is still on its way.

        Where commits are transactions nothing is said yet of a batch that is taken up again
        later: what has been made of it belongs to a position that the branch has not come to.
        """
        self._prune()
        if self._is_between:
            assert self._settled is not None
            before = tuple(parcel for parcel in self._settled.parcels if not parcel.delivered)
            return replace(self._settled, parcels=before, unsettled=self._unsettled())
        return self._now()

    def _cut(self, number: int) -> CutReport:
        """Report for a cut: with what changed in state up to just the positions told."""
        report = self.report()
        if self._is_between:
            return report
        return replace(report, deltas=self._kept.freeze(number))

    @property
    def _is_between(self) -> bool:
        """Whether it stands between what it may tell and what it has done."""
        return self.is_exact and not self.flow.is_settled and self._settled is not None

    def _unsettled(self) -> frozenset[TopicPartition]:
        found = set() if self._in_hand is None else set(self._in_hand.next_offsets)
        for branch in self.flow.branches:
            found |= {tp for tp, held in branch.progress.held.items() if held.unsettled}
        return frozenset(found)

    def _now(self) -> CutReport:
        positions = {
            branch.progress.name: dict(branch.progress.positions) for branch in self.flow.branches
        }
        return CutReport(positions, tuple(self._outstanding))

    def _mark(self) -> None:
        """Remember where the branches are before work that may not come to its end."""
        if self.is_exact and self.flow.is_settled:
            self._settled = self._now()

    # --- effects --------------------------------------------------------------------

    def sent(self, branch: Branch, parcel: Parcel | None, rows: int) -> None:
        """Count rows that left, and remember the parcel until it has arrived."""
        self.records_out[branch.node.name] += rows
        if parcel is not None:
            self._outstanding.append(parcel)

    def skipped(self, fault: RowFault, policy: ErrorPolicy) -> None:
        """Count a skipped record, and log a sample."""
        self.skipped_count += 1
        if self.skipped_count == 1 or random.random() < policy.sample_rate:
            self._log.warning(
                "record skipped",
                where=fault.where,
                step=fault.step,
                stage=fault.stage.value,
                error=f"{type(fault.error).__name__}: {fault.error}",
                skipped=self.skipped_count,
            )

    def dead_letter(self, fault: RowFault, policy: ErrorPolicy, attempt: int) -> None:
        """Send a record's own bytes to the dead-letter topic, with headers that say why."""
        producer, topic = self._dead_letters(policy)
        outgoing = fault.as_letter(attempt, self._application)
        self._outstanding.append(send_dead_letter(producer, topic, outgoing))
        self.dead_letter_count += 1

    def may_finish(self, tp: TopicPartition, epoch: int) -> bool:
        """Whether rows in hand may still be written."""
        return self._may_finish(tp, epoch)

    # --- delivery -------------------------------------------------------------------

    def _prune(self) -> None:
        self._outstanding = [parcel for parcel in self._outstanding if not parcel.delivered]

    def _check_deliveries(self) -> None:
        """Mend refusals before anything newer is sent."""
        if any(parcel.refused for parcel in self._outstanding):
            self._resend()

    def _resend(self) -> CutReport:
        """Send the refused records again, one by one, and judge those refused alone.

        The broker refuses a whole batch of the producer for one record in it. Everything
        that was handed over is waited for first, so that what is sent again does not
        overtake it. A refusal that nothing resolves stays where it is: as long as it does,
        no checkpoint succeeds, so that nothing is committed past it.

        Raises:
            ProcessingError: If a policy says to fail for a record.
            DeliveryError: If the cluster refuses what no record can be blamed for.
            BrokerUnavailableError: If reports do not come.
        """
        deadline = time.monotonic() + _RESEND_SECONDS
        for parcel in self._outstanding:
            left = max(0.0, deadline - time.monotonic())
            if parcel.producer is not None and not parcel.producer.wait([parcel], left):
                raise BrokerUnavailableError(
                    f"pipeline {self.name!r} waits in vain for delivery reports, for "
                    f"{_RESEND_SECONDS:g} s; what was refused cannot be sent again"
                )
        for parcel in [parcel for parcel in self._outstanding if parcel.refused]:
            self._resend_parcel(parcel)
        return CutReport({}, tuple(self._outstanding))

    def _resend_parcel(self, parcel: Parcel) -> None:
        if isinstance(parcel.context, DeadLetter):
            parcel.context.mend(parcel, _RESEND_SECONDS)
            return
        writer, origin = parcel.context
        policy = self._policy_of(writer)
        for one in parcel.undelivered():
            alone = writer.producer.resend(one, parcel.topic, _RESEND_SECONDS)
            if alone is None:
                parcel.resolve(one)
                continue
            cause = DeliveryError(f"{parcel.topic!r} refused it: {alone.reason} ({alone.code})")
            fault = RowFault(origin, one.outgoing.row, Stage.WRITE, writer.name, cause)
            verdict = policy.verdict(Stage.WRITE)
            if verdict is Verdict.RETRY:
                verdict = policy.exhausted()
            if verdict is Verdict.SKIP:
                self.skipped(fault, policy)
            elif verdict is Verdict.DEAD_LETTER:
                self.dead_letter(fault, policy, 1)
            else:
                raise fatal(fault)
            parcel.resolve(one)

    def _policy_of(self, writer: Writer) -> ErrorPolicy:
        branch = next(b for b in self.flow.branches if b.writer is writer)
        return branch.scans[0].policy
