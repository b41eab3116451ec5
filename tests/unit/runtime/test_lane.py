from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sabot.actors import Actor, ActorSystem, ByteBudget, Mailbox
from sabot.errors import ActorStoppedError
from sabot.runtime.lane import Lane
from sabot.runtime.messages import Assigned, Cut, CutReport, Work
from sabot.runtime.progress import Start
from sabot.types import RawBatch, TopicPartition
from tests.records import raw_of, rows
from tests.until import until

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)


class Taker(Actor):
    """Notes what it gets, when it is let."""

    def __init__(self, batch_size: int = 10) -> None:
        self.name = "taker"
        self.kind = "pipeline"
        self.records_in = 0
        self.records_out: dict[str, int] = {}
        self.skipped_count = 0
        self.dead_letter_count = 0
        self.held: frozenset[TopicPartition] = frozenset()
        self.topics = frozenset({"in"})
        self.batch_size = batch_size
        self.answers_itself = False
        self.is_busy = False
        self.go = threading.Event()
        self.begun = threading.Event()
        self.taken: list[RawBatch] = []
        self.notes: list[Any] = []
        self.failure: Exception | None = None

    def receive(self, message: Work) -> None:
        self.begun.set()
        assert self.go.wait(20)
        if self.failure is not None:
            raise self.failure
        self.taken.append(message.raw)

    def receive_control(self, message: object) -> Any:
        self.notes.append(message)
        return self.report() if isinstance(message, Cut) else None

    @property
    def records_done(self) -> int:
        return sum(len(raw) for raw in self.taken)

    @property
    def in_hand_seconds(self) -> float | None:
        return None

    def where(self) -> str | None:
        return None

    def branch_names(self, topic: str) -> list[str]:
        return ["taker"]

    def report(self) -> CutReport:
        return CutReport({"taker": {P0: (1, self.reached)}}, ())

    def abandon(self) -> None:
        self.go.set()

    @property
    def reached(self) -> int:
        return max((raw.next_offsets.get(P0, 0) for raw in self.taken), default=0)


@contextmanager
def lane_to(actor: Taker, records: int = 20) -> Iterator[Lane]:
    system = ActorSystem()
    system.on_escalation(lambda ref, error: None)
    try:
        yield Lane(actor, system.spawn(actor, Mailbox(records, 1_000_000)))
    finally:
        actor.go.set()
        system.stop(5)


def work(count: int, first: int = 0) -> Work:
    return Work(raw_of(rows([{}] * count, first=first)), "in")


def offsets(actor: Taker) -> list[int]:
    return [record.offset() for raw in actor.taken for record in raw.records]


def test_a_batch_is_handed_over_in_pieces_the_actor_asked_for() -> None:
    actor = Taker(batch_size=4)
    actor.go.set()
    with lane_to(actor) as lane:
        lane.send(work(10))
        until(lambda: len(actor.taken) == 3, what="pieces")
    assert [len(raw) for raw in actor.taken] == [4, 4, 2]
    assert offsets(actor) == list(range(10))


def test_each_piece_moves_positions_as_far_as_its_own_records() -> None:
    actor = Taker(batch_size=2)
    actor.go.set()
    left, right = rows([{}] * 2), rows([{}] * 2, partition=1)
    raw = raw_of([left[0], right[0]], [left[1], right[1]], beyond={P0: 9, P1: 4})
    with lane_to(actor) as lane:
        lane.send(Work(raw, "in"))
        until(lambda: len(actor.taken) == 2, what="pieces")
    assert [dict(piece.next_offsets) for piece in actor.taken] == [{P0: 1, P1: 1}, {P0: 9, P1: 4}]
    assert all(piece.epochs == {P0: 1, P1: 1} for piece in actor.taken)


def test_a_batch_that_only_moves_positions_is_handed_over() -> None:
    actor = Taker()
    actor.go.set()
    with lane_to(actor) as lane:
        lane.send(Work(raw_of(beyond={P0: 5}), "in"))
        until(lambda: actor.taken, what="batch")
    assert actor.taken[0].next_offsets == {P0: 5}


def test_what_does_not_fit_waits_in_order_and_counts_as_full() -> None:
    actor = Taker(batch_size=5)
    with lane_to(actor, records=10) as lane:
        lane.send(work(40))
        lane.send(work(5, first=40))
        assert lane.is_full()
        assert not lane.is_idle()
        actor.go.set()
        until(lambda: not lane.is_full() and lane.is_idle(), what="idle lane")
        assert offsets(actor) == list(range(45))


def test_two_threads_that_look_lose_and_double_nothing() -> None:
    actor = Taker(batch_size=1)
    actor.go.set()
    with lane_to(actor, records=2) as lane:
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                lane.is_idle()

        lookers = [threading.Thread(target=look) for _ in range(2)]
        for looker in lookers:
            looker.start()
        for number in range(0, 2000, 20):
            lane.send(work(20, first=number))
        until(lane.is_idle, what="idle lane", every=0.005)
        done.set()
        for looker in lookers:
            looker.join(10)
        assert offsets(actor) == list(range(2000))


def test_a_question_is_answered_after_the_batch_in_hand() -> None:
    actor = Taker()
    with lane_to(actor) as lane:
        lane.send(work(3))
        assert actor.begun.wait(10)
        answer = lane.ask(Cut(1))
        assert not answer.done()
        actor.go.set()
        assert answer.result(10).positions == {"taker": {P0: (1, 3)}}


def test_an_actor_that_answers_itself_is_not_waited_for() -> None:
    actor = Taker()
    actor.answers_itself = True
    with lane_to(actor) as lane:
        lane.send(work(3))
        assert actor.begun.wait(10)
        assert lane.ask(Cut(1)).result(0).positions == {"taker": {P0: (1, 0)}}


def test_an_actor_that_has_failed_still_says_how_far_it_came() -> None:
    actor = Taker()
    actor.go.set()
    with lane_to(actor) as lane:
        lane.send(work(3))
        until(lambda: actor.taken, what="first batch")
        actor.failure = _fatal()
        lane.send(work(3, first=3))
        until(lambda: lane.ref.failure, what="failure")
        assert lane.ask(Cut(1)).result(10).positions == {"taker": {P0: (1, 3)}}
        lane.send(work(1, first=6))
        assert not lane.is_full()


def test_an_actor_that_is_stopped_with_a_batch_in_hand_reports_nothing_of_it_before() -> None:
    actor = Taker()
    with lane_to(actor) as lane:
        lane.send(work(3))
        assert actor.begun.wait(10)
        lane.ref.stop(drain=False, timeout=0)
        answer = lane.ask(Cut(1))
        assert not answer.done()
        actor.go.set()
        with pytest.raises(ActorStoppedError):
            answer.result(10)
        assert lane.ref.join(10)
        assert lane.ask(Cut(2)).result(10).positions == {"taker": {P0: (1, 3)}}


def test_news_of_partitions_overtake_data() -> None:
    actor = Taker()
    with lane_to(actor) as lane:
        lane.send(work(3))
        assert actor.begun.wait(10)
        lane.send(work(3, first=3))
        lane.tell(Assigned({P0: Start(0, 1)}))
        actor.go.set()
        until(lambda: len(actor.taken) == 2, what="both batches")
        assert [type(note) for note in actor.notes] == [Assigned]
    lane.tell(Assigned({}))


def _fatal() -> Exception:
    error = ValueError("bad")
    error.fatal = True  # type: ignore[attr-defined]
    return error


def test_a_batch_is_cut_so_that_two_pieces_fit_into_what_is_guaranteed() -> None:
    actor = Taker(batch_size=100)
    system = ActorSystem()
    budget = ByteBudget(400)
    box = Mailbox(1_000, 10_000, budget=budget)
    lane = Lane(actor, system.spawn(actor, box))
    raw = raw_of(rows([{"n": n, "text": "x" * 20} for n in range(40)]), beyond={P0: 45})
    most = 0
    try:
        lane.send(Work(raw, "in"))
        most = budget.used
        actor.go.set()
        until(lambda: not lane.is_full() and lane.is_idle(), what="everything taken")
    finally:
        actor.go.set()
        system.stop(10)
    assert 0 < most <= 400
    assert max(piece.size for piece in actor.taken) <= box.guaranteed // 2
    assert [record.offset() for piece in actor.taken for record in piece.records] == list(range(40))
    assert [piece.next_offsets[P0] for piece in actor.taken][-1] == 45
