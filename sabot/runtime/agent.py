"""The actor behind an agent: raw batches in, events for a handler out, one at a time.

The actor decodes on its own thread and hands the events to the handler's stream on the
user loop. Its position is the gap-free prefix of finished events, so that it can be
asked for it at any moment: a slow handler delays no checkpoint.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final

from sabot.actors import Actor
from sabot.errors import ActorStoppedError, InternalError, PlanError
from sabot.kafka.dead_letter import send_dead_letter
from sabot.kafka.producer import KafkaProducer, Parcel
from sabot.logs import get_logger
from sabot.plan.nodes import AgentNode, Terminal
from sabot.runtime.events import EventStream, Feed
from sabot.runtime.faults import RowFault, TransientFaultError, fatal
from sabot.runtime.flow import ScanStep
from sabot.runtime.messages import Assigned, Cut, CutReport, Released, Resend, Work
from sabot.runtime.policy import ErrorPolicy, Stage, Verdict, is_transient_cause
from sabot.runtime.progress import Progress
from sabot.runtime.replays import meant_for
from sabot.runtime.userloop import UserLoop
from sabot.types import RawBatch, TopicPartition

__all__ = ["AgentActor"]

_RESEND_SECONDS: Final = 60.0


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
        neighbours: What else may read the same retry topic: those records are not for it.
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
        neighbours: Sequence[Terminal] = (),
    ) -> None:
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
        self.records_out: dict[str, int] = {}
        self.skipped_count = 0
        self.dead_letter_count = 0
        self._node = node
        self._scans = {scan.topic: scan for scan in scans}
        # A retry topic is read under the policy of the topic it belongs to.
        self._policy = scans[0].policy
        self._meant_for = meant_for(node, neighbours)
        self._owns = owns
        self._dead_letters = dead_letters
        self._application = application
        self._loop = loop
        self._lock = threading.Lock()
        self._progress = Progress(name)
        self._outstanding: list[Parcel] = []
        self._stream: EventStream | None = None
        self._handler: asyncio.Task[None] | None = None
        self._given: RawBatch | None = None
        self._raw: RawBatch | None = None
        self._numbers: Sequence[int] = ()
        self._feed: Feed | None = None
        self._counted = 0
        self._dropped: dict[TopicPartition, int] = {}
        self._attempts: dict[int, int] = {}
        self._failure: BaseException | None = None
        self._news = threading.Event()
        self._abandoned = False
        self._log = get_logger("sabot.agent").bind(agent=name)

    # --- messages -------------------------------------------------------------------

    def receive(self, message: Work) -> None:
        """Hand out the events of a raw batch and wait until all are finished."""
        raw = message.raw
        if raw is not self._given:
            self._take(raw, self._scans[message.topic])
        if self._feed is not None:
            self._give(self._feed)
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
        return self.report() if isinstance(message, Cut) else None

    @property
    def is_busy(self) -> bool:
        """Whether it has a batch in hand."""
        return self._raw is not None

    def abandon(self) -> None:
        """Give up the batch in hand; its events are not finished."""
        self._abandoned = True
        self._news.set()

    def stopping(self) -> None:
        """End the handler."""
        stream, handler = self._stream, self._handler
        if stream is not None:
            self._loop.wake(stream.close)
        if handler is not None:
            self._loop.wake(handler.cancel)

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
        return self.report()

    # --- a batch --------------------------------------------------------------------

    def _take(self, given: RawBatch, scan: ScanStep) -> None:
        raw = self._meant_for(given) if getattr(scan.node.source, "is_retry", False) else given
        rows, numbers, bad = _decode(raw, scan)
        with self._lock:
            ahead = dict(self._progress.ahead)
        self._judge_undecodable(raw, bad)
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

        Raises:
            ProcessingError: If it says to fail. Nothing of the batch is handed out then:
                an event behind the bad record must not be handled before it.
        """
        policy = self._policy
        verdict = policy.verdict(Stage.DECODE)
        for number, error in sorted(bad.items()):
            fault = RowFault(raw, number, Stage.DECODE, self.name, error)
            if verdict is Verdict.SKIP:
                self._skipped(fault)
            elif verdict is Verdict.DEAD_LETTER:
                self._dead_letter(fault, 1)
            else:
                raise fatal(fault)

    def _give(self, feed: Feed) -> None:
        """Put the feed before the handler, which is started where it does not run."""
        self._failure = None
        self._news.clear()

        async def begin() -> None:
            if self._stream is None:
                self._stream = EventStream(lambda _: self._news.set())
            if feed.finished >= len(feed.values):
                self._news.set()
                return
            self._stream.put(feed)
            self._stream.rewind()
            if self._handler is None:
                loop = asyncio.get_running_loop()
                self._handler = loop.create_task(self._drive(self._stream), name=self.name)

        begun = self._loop.submit(begin)
        while True:
            try:
                # However long the loop is blocked: given up, it might begin all the same.
                begun.result(timeout=0.2)
            except FutureTimeoutError:
                if begun.done():
                    raise
                if self._abandoned:
                    begun.cancel()
                    return
            else:
                return

    async def _drive(self, stream: EventStream) -> None:
        """Run the handler; one that returns is started again for what comes next."""
        try:
            while True:
                outcome = self._node.function(stream)
                if inspect.isasyncgen(outcome):
                    async for _ in outcome:
                        pass
                elif inspect.isawaitable(outcome):
                    await outcome
                else:
                    raise PlanError(
                        f"agent {self.name!r} must be an async function or async generator; it "
                        f"returned {type(outcome).__name__}"
                    )
                stream.acknowledge()
                if not await stream.wait_for_events():
                    return
        except asyncio.CancelledError:
            self._handler = None
        except BaseException as error:
            self._handler = None
            self._failure = error
            self._news.set()

    def _await(self, feed: Feed) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if self._abandoned:
                raise ActorStoppedError(f"agent {self.name!r} was stopped with events in hand")
            if self._failure is not None:
                self._judge_failure(feed, self._failure)
                self._give(feed)
            elif feed.finished >= len(feed.values):
                return

    def _judge_failure(self, feed: Feed, error: BaseException) -> None:
        """Apply the policy to the event the handler raised for; raise where it must stop."""
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
        else:
            self._dead_letter(fault, attempt)
        feed.finished = feed.taken

    def _pause(self, seconds: float) -> None:
        self._news.wait(min(seconds, 30.0) * random.uniform(0.8, 1.2))

    def _complete(self, raw: RawBatch) -> None:
        with self._lock:
            self._count_finished()
            for tp, offset in raw.next_offsets.items():
                if tp in self._dropped:
                    continue
                self._progress.advance(tp, raw.epochs[tp], offset)
                if self._progress.ahead.get(tp, offset + 1) <= offset:
                    del self._progress.ahead[tp]
            self._given, self._raw, self._feed, self._numbers = None, None, None, ()
        self.on_finished()

    def _count_finished(self) -> None:
        """Move the positions behind the events finished since the last time."""
        feed, raw = self._feed, self._raw
        if feed is None or raw is None:
            return
        for event in range(self._counted, feed.finished):
            record = raw.records[self._numbers[event]]
            tp = TopicPartition(record.topic(), record.partition())
            if tp in raw.epochs and record.offset() < self._dropped.get(tp, record.offset() + 1):
                self._progress.advance(tp, raw.epochs[tp], record.offset() + 1)
        self._counted = feed.finished

    # --- effects --------------------------------------------------------------------

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
        producer, topic = self._dead_letters(self._policy)
        outgoing = fault.as_letter(attempt, self._application)
        with self._lock:
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
