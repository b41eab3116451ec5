"""The way from a reader to one actor: its mailbox, and what did not fit into it yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol

from sabot.actors import ActorRef, Supervision
from sabot.errors import ActorStoppedError
from sabot.runtime.messages import (
    Assigned,
    Committed,
    Cut,
    CutReport,
    Knock,
    Released,
    Resend,
    Work,
)
from sabot.types import RawBatch, TopicPartition

__all__ = ["Lane", "LaneActor"]


class LaneActor(Protocol):
    """What a lane needs to know of the actor at its end."""

    name: str
    kind: str
    records_in: int
    records_out: dict[str, int]
    skipped_count: int
    dead_letter_count: int
    held: frozenset[TopicPartition]
    topics: frozenset[str]
    batch_size: int
    answers_itself: bool
    """Whether it can be asked for a report while it has a batch in hand."""

    @property
    def is_busy(self) -> bool:
        """Whether it has a batch in hand."""
        ...

    @property
    def records_done(self) -> int:
        """Records it is through with, those that a policy passed included."""
        ...

    @property
    def in_hand_seconds(self) -> float | None:
        """How long it has had its event; known to actors that answer themselves."""
        ...

    def where(self) -> str | None:
        """The place of what it has in hand, for messages to people."""
        ...

    def branch_names(self, topic: str) -> Sequence[str]: ...
    def report(self) -> CutReport: ...
    def receive_control(self, message: object) -> object: ...
    def abandon(self) -> None: ...


class Lane:
    """Hands raw batches to one actor without ever blocking the reader.

    What the mailbox refuses waits here, in order, and counts as "full": the reader holds
    at most one batch per actor that way.

    Args:
        actor: The actor.
        ref: Its address.
        supervision: What its user has asked for.
    """

    def __init__(
        self, actor: LaneActor, ref: ActorRef, supervision: Supervision | None = None
    ) -> None:
        self.actor = actor
        self.ref = ref
        self.supervision = supervision or Supervision()
        self.name = actor.name
        # The reader hands over while whoever drains looks whether all is done.
        self._lock = threading.Lock()
        self._overflow: deque[Work] = deque()

    def reads(self, topic: str) -> bool:
        """Whether records of a topic go to this actor."""
        return topic in self.actor.topics

    def branches(self, topic: str) -> Sequence[str]:
        """The names of the actor's branches that read a topic."""
        return self.actor.branch_names(topic)

    def send(self, work: Work) -> None:
        """Hand over a raw batch, in pieces the actor asked for."""
        with self._lock:
            # So that one in hand and one waiting are within what is guaranteed.
            most_bytes = max(1, self.ref.mailbox.guaranteed // 2)
            for piece in _pieces(work, self.actor.batch_size, most_bytes):
                if self._overflow or not self._offer(piece):
                    self._overflow.append(piece)

    def is_full(self) -> bool:
        """Whether the reader should hold back; hands on what waits here first."""
        with self._lock:
            while self._overflow and self._offer(self._overflow[0]):
                self._overflow.popleft()
            return bool(self._overflow) or self.ref.mailbox.is_full

    def is_busy(self) -> bool:
        """Whether the actor has a batch in hand or waiting."""
        return self.actor.is_busy or self.ref.mailbox.depth > 0

    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        if self.is_full():
            return False
        statistics = self.ref.statistics()
        return statistics.depth == 0 and statistics.in_hand_seconds is None

    def answers_soon(self) -> bool:
        """Whether the actor is between two messages, or comes there in a moment."""
        try:
            self.ref.ask(Knock()).result(0.5)
        except (ActorStoppedError, FutureTimeoutError):
            return False
        return True

    def ask(self, question: Cut | Resend) -> Future[CutReport]:
        """Ask for a report; an actor that has ended is asked directly."""
        if self.actor.answers_itself or self.ref.has_ended:
            return _now(self.actor, question)
        try:
            return self.ref.ask(question)
        except ActorStoppedError:
            return _now(self.actor, question)

    def tell(self, note: Assigned | Released | Committed) -> None:
        """Tell the actor of partitions that come or go, or of a commit; overtakes data."""
        try:
            self.ref.signal(note)
        except ActorStoppedError:
            return

    def _offer(self, work: Work) -> bool:
        try:
            return self.ref.offer(work, records=len(work.raw), size=work.raw.size)
        except ActorStoppedError:
            # The domain is on its way down; what is not committed will be read again.
            return True


def _now(actor: LaneActor, question: Cut | Resend) -> Future[CutReport]:
    answer: Future[CutReport] = Future()
    try:
        report = actor.receive_control(question)
        assert isinstance(report, CutReport)
        answer.set_result(report)
    except Exception as error:
        answer.set_exception(error)
    return answer


def _pieces(work: Work, most: int, most_bytes: int) -> list[Work]:
    raw = work.raw
    if (len(raw) <= most and raw.size <= most_bytes) or raw.columns is not None:
        return [work]
    pieces: list[Work] = []
    for first, end in _spans(raw, most, most_bytes):
        records = raw.records[first:end]
        values = raw.values[first:end]
        last = end >= len(raw)
        reached: dict[TopicPartition, int] = {}
        if last:
            reached.update(raw.next_offsets)
        else:
            for record in records:
                tp = TopicPartition(record.topic(), record.partition())
                reached[tp] = record.offset() + 1
        size = sum(len(value) for value in values if value is not None)
        epochs = {tp: raw.epochs[tp] for tp in reached}
        pieces.append(Work(RawBatch(records, values, reached, epochs, None, size), work.topic))
    return pieces


def _spans(raw: RawBatch, most: int, most_bytes: int) -> list[tuple[int, int]]:
    """Return first and end of pieces within both bounds, or of one record each."""
    spans: list[tuple[int, int]] = []
    first, size = 0, 0
    for number, value in enumerate(raw.values):
        more = 0 if value is None else len(value)
        if number > first and (number - first >= most or size + more > most_bytes):
            spans.append((first, number))
            first, size = number, 0
        size += more
    spans.append((first, len(raw)))
    return spans
