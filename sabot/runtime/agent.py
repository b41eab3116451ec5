"""The actor behind an agent: raw batches in, events for a handler out, one at a time.

The actor decodes on its own thread and hands the events to the handler's stream on the
user loop. Its position is the gap-free prefix of finished events, so that it can be
asked for it at any moment: a slow handler delays no checkpoint.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from sabot.actors import Actor
from sabot.clock import Clock, SystemClock
from sabot.errors import (
    ActorStoppedError,
    InternalError,
    PlanError,
    ProcessingError,
)
from sabot.kafka.dead_letter import send_dead_letter
from sabot.kafka.producer import KafkaProducer, Parcel
from sabot.logs import get_logger
from sabot.plan.nodes import AgentNode, Terminal
from sabot.runtime.branch import ScanStep
from sabot.runtime.crash import crash_point
from sabot.runtime.events import Feed
from sabot.runtime.faults import RowFault, TransientFaultError, fatal
from sabot.runtime.handler import Handler
from sabot.runtime.messages import Assigned, Committed, Cut, CutReport, Released, Resend, Work
from sabot.runtime.policy import ErrorPolicy, Stage, Verdict, is_transient_cause
from sabot.runtime.progress import Progress
from sabot.runtime.replays import meant_for
from sabot.runtime.userloop import UserLoop
from sabot.types import RawBatch, TopicPartition

__all__ = ["AgentActor"]

_RESEND_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 1.0
"""How long it waits for news of the handler until it looks for itself."""


class AgentActor(Actor):
    """Feeds one agent.

    Args:
        name: Its name.
        node: The agent's node: the handler.
        scans: The source with codec and policy, and the one of its retry topic, if any.
        owns: Whether records read under an assignment may still be handed out.
        dead_letters: The producer and topic for dead letters.
        application: What dead letters name.
        loop: Where the handler runs.
        timeout: Seconds the handler may have one event; ``None`` for ever.
        neighbours: What else may read the same retry topic: those records are not for it.
        clock: Times retries.
    """

    def __init__(
        self,
        name: str,
        node: AgentNode,
        scans: Sequence[ScanStep],
        *,
        owns: Callable[[TopicPartition, int], bool],
        dead_letters: Callable[[ErrorPolicy], tuple[KafkaProducer, str]],
        application: str,
        loop: UserLoop,
        timeout: float | None = None,
        neighbours: Sequence[Terminal] = (),
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        if any(scan.codec is None or scan.topic is None for scan in scans):
            raise PlanError(f"agent {name!r} needs a source of records")
        self.name = name
        self.kind = "agent"
        self.on_finished: Callable[[], None] = lambda: None
        self.answers_itself = True
        self.held: frozenset[TopicPartition] = frozenset()
        self.topics = frozenset(scan.topic for scan in scans if scan.topic is not None)
        self.batch_size = min(int(getattr(s.node.source, "batch_size", 1000)) for s in scans)
        self.records_in = 0
        self._handled = 0
        self.records_out: dict[str, int] = {}
        self.skipped_count = 0
        self.dead_letter_count = 0
        self._scans = {scan.topic: scan for scan in scans}
        # A retry topic is read under the policy of the topic it belongs to.
        self._policy = scans[0].policy
        self._meant_for = meant_for(node, neighbours)
        self._owns = owns
        self._dead_letters = dead_letters
        self._application = application
        self._timeout = timeout
        self._lock = threading.Lock()
        self._progress = Progress(name)
        self._outstanding: list[Parcel] = []
        self._handler = Handler(name, node.function, loop)
        self._given: RawBatch | None = None
        self._raw: RawBatch | None = None
        self._numbers: Sequence[int] = ()
        self._feed: Feed | None = None
        self._counted = 0
        self._dropped: dict[TopicPartition, int] = {}
        self._attempts: dict[int, int] = {}
        self._letters: deque[RowFault] = deque()
        self._abandoned = False
        self._interrupted = False
        self._log = get_logger("sabot.agent").bind(agent=name)

    # --- messages -------------------------------------------------------------------

    def receive(self, message: Work) -> None:
        """Hand out the events of a raw batch and wait until all are finished."""
        raw = message.raw
        if raw is not self._given:
            self._take(raw, self._scans[message.topic])
        if self._feed is not None:
            self._handler.give(self._feed, lambda: self._abandoned)
            self._await(self._feed)
        self._complete(raw)

    def receive_control(self, message: Any) -> Any:
        """Take note of partitions that come and go."""
        with self._lock:
            if isinstance(message, Assigned):
                for tp, start in message.starts.items():
                    if tp.topic in self.topics:
                        self._progress.assign(tp, start)
            elif isinstance(message, Released):
                for tp in message.partitions:
                    self._progress.release(tp)
        if isinstance(message, Resend):
            return self._resend()
        if isinstance(message, Committed):
            crash_point("state_folded")
        return self.report() if isinstance(message, Cut) else None

    @property
    def is_busy(self) -> bool:
        """Whether it has a batch in hand."""
        return self._raw is not None

    def abandon(self) -> None:
        """Give up the batch in hand; its events are not finished."""
        self._abandoned = True
        self._handler.news.set()

    def interrupt(self) -> None:
        """Have the handler begin anew; the event in hand is handed out again."""
        self._interrupted = True
        self._handler.news.set()

    def restarted(self, error: Exception) -> None:  # noqa: ARG002 - any is the same
        """End the handler, where one runs: the next event starts a new one."""
        self._interrupted = False
        self._handler.let_go(self.where())

    def stopping(self) -> None:
        """End the handler."""
        self._handler.dismiss()

    @property
    def records_done(self) -> int:
        """Events finished, and records that a policy passed."""
        feed = self._feed
        return self._handled + (0 if feed is None else feed.finished)

    @property
    def in_hand_seconds(self) -> float | None:
        """How long the handler has had its event; ``None`` without one."""
        feed = self._feed
        return None if feed is None else feed.in_hand_seconds

    def where(self) -> str | None:
        """Return the place of the event in hand; may be called from any thread."""
        with self._lock:
            feed, raw, numbers = self._feed, self._raw, self._numbers
        if feed is None or raw is None:
            return None
        taken = feed.taken
        return None if taken <= feed.finished else raw.where(numbers[taken - 1])

    def branch_names(self, topic: str) -> list[str]:
        """An agent is one branch."""
        return [self.name] if topic in self.topics else []

    def report(self) -> CutReport:
        """Return how far the handler has come; may be called from any thread."""
        with self._lock:
            self._count_finished()
            self._outstanding = [parcel for parcel in self._outstanding if not parcel.delivered]
            return CutReport({self.name: dict(self._progress.positions)}, tuple(self._outstanding))

    def _resend(self) -> CutReport:
        """Send refused dead letters again, in a form that is taken.

        Raises:
            DeliveryError: If there is none; nothing may be committed past such a letter.
        """
        with self._lock:
            refused = [parcel for parcel in self._outstanding if parcel.refused]
        for parcel in refused:
            parcel.context.mend(parcel, _RESEND_SECONDS)
        with self._lock:
            return CutReport({}, tuple(self._outstanding))

    # --- a batch --------------------------------------------------------------------

    def _take(self, given: RawBatch, scan: ScanStep) -> None:
        raw = self._meant_for(given) if getattr(scan.node.source, "is_retry", False) else given
        rows, numbers, bad = _decode(raw, scan)
        with self._lock:
            ahead = dict(self._progress.ahead)
        new = [n for n in sorted(bad) if raw.records[n].offset() >= _start(raw, n, ahead)]
        self._judge_undecodable(raw, {number: bad[number] for number in new})
        self.records_in += len(numbers)
        with self._lock:
            self._given, self._raw, self._numbers, self._counted = given, raw, numbers, 0
            self._attempts, self._dropped = {}, {}
            self._feed = Feed(rows, self._skip(raw, numbers, ahead))

    def _skip(
        self, raw: RawBatch, numbers: Sequence[int], ahead: dict[TopicPartition, int]
    ) -> Callable[[int], bool]:
        owns, records, epochs = self._owns, raw.records, raw.epochs
        dropped = self._dropped

        def skip(event: int) -> bool:
            record = records[numbers[event]]
            tp = TopicPartition(record.topic(), record.partition())
            if not owns(tp, epochs[tp]):
                # Left to the next owner; the partition may still be committed meanwhile,
                # and then not past this event.
                dropped.setdefault(tp, record.offset())
                return True
            return record.offset() < ahead.get(tp, 0)

        return skip

    def _judge_undecodable(self, raw: RawBatch, bad: dict[int, Exception]) -> None:
        """Apply the policy to records that cannot be decoded.

        Their dead letters leave when the position passes them, since a letter and the
        offset behind it are one thing to a transaction.

        Raises:
            ProcessingError: If it says to fail. Nothing of the batch is handed out then:
                an event behind the bad record must not be handled before it.
        """
        self._letters.clear()
        policy = self._policy
        verdict = policy.verdict(Stage.DECODE)
        for number, error in sorted(bad.items()):
            fault = RowFault(raw, number, Stage.DECODE, self.name, error)
            if verdict is Verdict.SKIP:
                self._skipped(fault)
            elif verdict is Verdict.DEAD_LETTER:
                self._letters.append(fault)
            else:
                raise fatal(fault)

    def _await(self, feed: Feed) -> None:
        while True:
            self._handler.news.wait(self._patience())
            self._handler.news.clear()
            if self._abandoned:
                raise ActorStoppedError(f"agent {self.name!r} was stopped with events in hand")
            self._judge_time(feed)
            if self._interrupted:
                self._interrupted = False
                self._handler.let_go(self.where())
                self._handler.give(feed, lambda: self._abandoned)
            elif self._handler.failure is not None:
                self._judge_failure(feed, self._handler.failure)
                self._handler.give(feed, lambda: self._abandoned)
            elif feed.finished >= len(feed.values):
                return

    def _patience(self) -> float:
        timeout = self._timeout
        return _PATIENCE_SECONDS if timeout is None else min(_PATIENCE_SECONDS, timeout / 4)

    def _judge_time(self, feed: Feed) -> None:
        """Let go of an event that has had its time.

        Raises:
            ProcessingError: For such an event, which is not finished: no policy passes it.
        """
        seconds = feed.in_hand_seconds
        if self._timeout is None or seconds is None or self._handler.failure is not None:
            return
        if seconds >= self._timeout:
            where = self.where()
            self._handler.let_go(where)
            raise self._given_up(f"had {where} in hand for {seconds:.1f} s", where)

    def _given_up(self, what: str, where: str | None) -> ProcessingError:
        error = ProcessingError(
            f"the handler of agent {self.name!r} {what}; the event is not finished and is read "
            f"again",
            step=self.name,
            where=where,
        )
        error.fatal = True
        return error

    def _judge_failure(self, feed: Feed, error: BaseException) -> None:
        """Apply the policy to the event the handler raised for; raise where it must stop."""
        if isinstance(error, asyncio.CancelledError):
            where = self.where()
            raise self._given_up(f"was cancelled with {where or 'nothing'} in hand", where)
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, PlanError | InternalError) or feed.taken == feed.finished:
            raise error
        assert self._raw is not None
        event = feed.taken - 1
        policy = self._policy
        fault = RowFault(self._raw, self._numbers[event], Stage.PROCESS, self.name, error)
        if is_transient_cause(error, policy):
            raise TransientFaultError(
                f"agent {self.name!r} failed for {fault.where}: {type(error).__name__}: {error}; "
                f"the event is handled again",
                step=self.name,
                where=fault.where,
            ) from error
        verdict = policy.verdict(Stage.PROCESS)
        attempt = self._attempts[event] = self._attempts.get(event, 0) + 1
        if verdict is Verdict.RETRY:
            if attempt <= policy.max_attempts:
                self._pause(policy.backoff_seconds * 2.0 ** (attempt - 1))
                return
            verdict = policy.exhausted()
        if verdict is Verdict.FAIL:
            raise fatal(fault)
        if verdict is Verdict.SKIP:
            self._skipped(fault)
        with self._lock:
            if verdict is Verdict.DEAD_LETTER:
                self._send_letters(fault.number)
                self._dead_letter(fault, attempt)
            feed.finished = feed.taken

    def _pause(self, seconds: float) -> None:
        self._clock.wait(self._handler.news, min(seconds, 30.0) * random.uniform(0.8, 1.2))

    def _complete(self, raw: RawBatch) -> None:
        with self._lock:
            self._count_finished()
            self._send_letters(len(raw.values))
            for tp, offset in raw.next_offsets.items():
                if tp in self._dropped:
                    continue
                self._progress.advance(tp, raw.epochs[tp], offset)
                if self._progress.ahead.get(tp, offset + 1) <= offset:
                    del self._progress.ahead[tp]
            self._handled += len(raw)
            self._given, self._raw, self._feed, self._numbers = None, None, None, ()
        self.on_finished()

    def _count_finished(self) -> None:
        """Move the positions behind the events finished since the last time."""
        feed, raw = self._feed, self._raw
        if feed is None or raw is None:
            return
        for event in range(self._counted, feed.finished):
            self._send_letters(self._numbers[event])
            record = raw.records[self._numbers[event]]
            tp = TopicPartition(record.topic(), record.partition())
            if tp in raw.epochs and record.offset() < self._dropped.get(tp, record.offset() + 1):
                self._progress.advance(tp, raw.epochs[tp], record.offset() + 1)
        self._counted = feed.finished

    # --- effects --------------------------------------------------------------------

    def _send_letters(self, below: int) -> None:
        """Send the letters of the records that could not be decoded, up to one of the batch."""
        while self._letters and self._letters[0].number < below:
            self._dead_letter(self._letters.popleft(), 1)

    def _skipped(self, fault: RowFault) -> None:
        self.skipped_count += 1
        if self.skipped_count == 1 or random.random() < self._policy.sample_rate:
            self._log.warning(
                "record skipped",
                where=fault.where,
                stage=fault.stage.value,
                error=f"{type(fault.error).__name__}: {fault.error}",
                skipped=self.skipped_count,
            )

    def _dead_letter(self, fault: RowFault, attempt: int) -> None:
        """Send a dead letter, unless its record is another owner's by now; under the lock."""
        tp = fault.partition
        if tp is not None and not self._owns(tp, fault.origin.epochs.get(tp, -1)):
            return
        producer, topic = self._dead_letters(self._policy)
        outgoing = fault.as_letter(attempt, self._application)
        self._outstanding.append(send_dead_letter(producer, topic, outgoing))
        self.dead_letter_count += 1


def _decode(raw: RawBatch, scan: ScanStep) -> tuple[Sequence[Any], list[int], dict[int, Exception]]:
    """Return the events, the numbers of their records, and why the others are none."""
    assert scan.codec is not None
    decoded = scan.codec.decode_rows(raw.values)
    bad: dict[int, Exception] = {failure.index: failure.error for failure in decoded.failures}
    numbers = [number for number in range(len(raw.values)) if number not in bad]
    rows = decoded.rows
    if scan.incoming is not None:
        rows, errors = scan.incoming.attach_rows([raw.records[n] for n in numbers], rows)
        bad |= {numbers[place]: error for place, error in errors.items()}
        numbers = [number for number in numbers if number not in bad]
    return rows, numbers, bad


def _start(raw: RawBatch, number: int, ahead: dict[TopicPartition, int]) -> int:
    record = raw.records[number]
    return ahead.get(TopicPartition(record.topic(), record.partition()), 0)
