from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from sabot.errors import (
    ActorStoppedError,
    BrokerUnavailableError,
    CommitError,
    DeliveryError,
    SabotError,
)
from sabot.kafka.commits import CommitPoint
from sabot.kafka.producer import Parcel
from sabot.runtime.checkpoint import Checkpoint
from sabot.runtime.messages import Cut, CutReport, Resend
from sabot.runtime.progress import Start
from sabot.types import TopicPartition

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)

Positions = Mapping[str, Mapping[TopicPartition, tuple[int, int]]]


class Actor:
    """A participant that answers with what it is told to."""

    def __init__(self, name: str, positions: Positions, *parcels: Parcel) -> None:
        self.name = name
        self.positions = positions
        self.parcels = parcels
        self.asked: list[Cut | Resend] = []
        self.on_resend: Callable[[], None] = lambda: None

    def reads(self, topic: str) -> bool:
        return topic == "in"

    def branches(self, topic: str) -> Sequence[str]:
        return list(self.positions) if self.reads(topic) else []

    def ask(self, question: Cut | Resend) -> Future[CutReport]:
        self.asked.append(question)
        answer: Future[CutReport] = Future()
        try:
            if isinstance(question, Resend):
                self.on_resend()
            answer.set_result(
                CutReport(self.positions, tuple(p for p in self.parcels if not p.delivered))
            )
        except SabotError as error:
            answer.set_exception(error)
        return answer


class Silent(Actor):
    """One that does not answer."""

    def ask(self, question: Cut | Resend) -> Future[CutReport]:
        return Future()


class Ended(Actor):
    """One that has stopped."""

    def ask(self, question: Cut | Resend) -> Future[CutReport]:
        answer: Future[CutReport] = Future()
        answer.set_exception(ActorStoppedError("gone"))
        return answer


class Post:
    """Delivers when polled."""

    def __init__(self, *on_poll: Callable[[], None]) -> None:
        self.steps = list(on_poll)
        self.polls = 0

    def poll(self, timeout: float = 0.0) -> None:
        self.polls += 1
        if self.steps:
            self.steps.pop(0)()


class Group:
    """A checkpoint with what is around it."""

    def __init__(self, *actors: Actor, owned: dict[TopicPartition, int] | None = None) -> None:
        self.owned = {P0: 1} if owned is None else owned
        self.commits: list[dict[TopicPartition, CommitPoint]] = []
        self.refusal: Exception | None = None
        self.post = Post()
        self.served = 0
        producers: Any = [self.post]
        self.checkpoint = Checkpoint(
            actors,
            producers=lambda: producers,
            owned=lambda: self.owned,
            commit=self._commit,
            serve=self._serve,
        )

    def _commit(self, points: Mapping[TopicPartition, CommitPoint]) -> dict[TopicPartition, int]:
        if self.refusal is not None:
            raise self.refusal
        mine = {tp: p for tp, p in points.items() if self.owned.get(tp) == p.epoch}
        self.commits.append(dict(mine))
        return {tp: point.offset for tp, point in mine.items()}

    def _serve(self) -> None:
        self.served += 1

    def cut(self, timeout: float = 5.0, **options: bool) -> bool:
        return self.checkpoint.cut(timeout, **options)

    @property
    def offsets(self) -> list[dict[TopicPartition, int]]:
        return [{tp: point.offset for tp, point in commit.items()} for commit in self.commits]


def parcel_of(accepted: int, good: int = 0) -> Parcel:
    return Parcel("out", accepted=accepted, good=good, closed=True)


def test_the_lowest_of_all_branches_is_committed() -> None:
    a = Actor("a", {"a1": {P0: (1, 10)}, "a2": {P0: (1, 7)}})
    b = Actor("b", {"b1": {P0: (1, 12)}})
    group = Group(a, b)
    assert group.cut()
    assert group.offsets == [{P0: 7}]
    noted = json.loads(group.commits[0][P0].metadata)
    assert noted == {"v": 1, "cut": 1, "ahead": {"a1": 10, "b1": 12}}
    assert group.checkpoint.committed == {P0: 7}
    assert group.checkpoint.count == 1


def test_a_commit_names_the_assignment_it_was_earned_in() -> None:
    group = Group(Actor("a", {"a": {P0: (5, 10)}}), owned={P0: 5})
    group.cut()
    assert group.commits[0][P0].epoch == 5


def test_only_what_has_moved_is_committed() -> None:
    a = Actor("a", {"a": {P0: (1, 10), P1: (1, 3)}})
    group = Group(a, owned={P0: 1, P1: 1})
    group.cut()
    group.cut()
    assert group.offsets == [{P0: 10, P1: 3}]
    a.positions = {"a": {P0: (1, 10), P1: (1, 4)}}
    group.cut()
    assert group.offsets[1:] == [{P1: 4}]


def test_standing_where_a_partition_began_commits_nothing() -> None:
    group = Group(Actor("a", {"a": {P0: (1, 10)}}))
    group.checkpoint.begin({P0: Start(10, 1)})
    assert group.cut()
    assert group.commits == []


def test_branches_ahead_are_noted_again_after_an_assignment() -> None:
    a = Actor("a", {"x": {P0: (1, 10)}, "y": {P0: (1, 12)}})
    group = Group(a)
    group.checkpoint.begin({P0: Start(10, 1, {"y": 12})})
    group.cut()
    assert json.loads(group.commits[0][P0].metadata)["ahead"] == {"y": 12}


def test_a_partition_that_comes_back_is_committed_anew() -> None:
    a = Actor("a", {"a": {P0: (1, 10)}})
    group = Group(a)
    group.cut()
    group.checkpoint.forget([P0])
    group.owned = {P0: 2}
    a.positions = {"a": {P0: (2, 10)}}
    group.cut()
    assert [commit[P0].epoch for commit in group.commits] == [1, 2]


def test_a_partition_some_branch_has_not_begun_is_not_committed() -> None:
    a = Actor("a", {"a1": {P0: (1, 10)}, "a2": {}})
    group = Group(a)
    assert group.cut()
    assert group.commits == []


def test_a_position_of_an_older_assignment_does_not_count() -> None:
    a = Actor("a", {"a1": {P0: (2, 10)}, "a2": {P0: (1, 90)}})
    group = Group(a, owned={P0: 2})
    group.cut()
    assert group.commits == []


def test_what_is_not_owned_is_not_committed() -> None:
    group = Group(Actor("a", {"a": {P0: (1, 10), P1: (1, 4)}}), owned={P1: 1})
    group.cut()
    assert group.offsets == [{P1: 4}]


@pytest.mark.parametrize("kind", [Silent, Ended])
def test_topics_of_an_actor_that_gives_no_answer_are_not_committed(kind: type[Actor]) -> None:
    group = Group(Actor("a", {"a": {P0: (1, 10)}}), kind("b", {"b": {P0: (1, 10)}}))
    assert not group.cut(0.05)
    assert group.commits == []


def test_an_actor_that_ends_with_the_question_unanswered_is_asked_once_more() -> None:
    class Ending(Actor):
        def ask(self, question: Cut | Resend) -> Future[CutReport]:
            answer = super().ask(question)
            if len(self.asked) > 1:
                return answer
            refused: Future[CutReport] = Future()
            refused.set_exception(ActorStoppedError("stopped before it could answer"))
            return refused

    group = Group(Ending("a", {"a": {P0: (1, 10)}}))
    assert group.cut()
    assert group.offsets == [{P0: 10}]


def test_other_topics_are_committed_although_an_actor_is_silent() -> None:
    class Elsewhere(Silent):
        def reads(self, topic: str) -> bool:
            return topic == "other"

    group = Group(Actor("a", {"a": {P0: (1, 10)}}), Elsewhere("b", {}))
    assert not group.cut(0.05)
    assert group.offsets == [{P0: 10}]


def test_producers_are_polled_while_an_actor_owes_its_answer() -> None:
    group = Group(Silent("a", {}))
    group.cut(0.2)
    assert group.post.polls > 0


def test_nothing_is_committed_before_what_was_produced_has_arrived() -> None:
    parcel = parcel_of(2)
    seen: list[int] = []
    group = Group(Actor("a", {"a": {P0: (1, 10)}}, parcel))

    def arrive() -> None:
        seen.append(len(group.commits))
        parcel.good += 1

    group.post.steps = [arrive, arrive]
    assert group.cut()
    assert (seen, group.offsets) == ([0, 0], [{P0: 10}])


def test_records_that_do_not_arrive_in_time_fail_the_cut() -> None:
    group = Group(Actor("a", {"a": {P0: (1, 10)}}, parcel_of(3, good=1)))
    with pytest.raises(BrokerUnavailableError, match=r"\(2 of 3 missing\)"):
        group.cut(0.05)
    assert group.commits == []


def test_a_parcel_that_is_still_being_filled_is_waited_for() -> None:
    parcel = Parcel("out", accepted=1, good=1)
    group = Group(Actor("a", {"a": {P0: (1, 10)}}, parcel))

    def close() -> None:
        parcel.closed = True

    group.post.steps = [close]
    assert group.cut()


def refused_parcel() -> Parcel:
    parcel = parcel_of(1)
    parcel.refused.append(("INVALID_RECORD", "no", None, b"x"))
    return parcel


def test_refused_records_are_sent_again_before_the_commit() -> None:
    parcel = refused_parcel()
    actor = Actor("a", {"a": {P0: (1, 10)}}, parcel)
    group = Group(actor)

    def mend() -> None:
        assert group.commits == []
        parcel.refused.clear()
        parcel.good += 1

    actor.on_resend = mend
    assert group.cut()
    assert [type(question) for question in actor.asked] == [Cut, Resend]
    assert group.offsets == [{P0: 10}]


def test_what_was_sent_again_is_waited_for_too() -> None:
    parcel, letter = refused_parcel(), parcel_of(1)
    actor = Actor("a", {"a": {P0: (1, 10)}}, parcel)
    group = Group(actor)

    def mend() -> None:
        parcel.refused.clear()
        parcel.good += 1
        actor.parcels = (letter,)

    def arrive() -> None:
        assert group.commits == []
        letter.good += 1

    actor.on_resend = mend
    group.post.steps = [arrive]
    assert group.cut()


def test_a_refusal_that_cannot_be_mended_fails_the_cut() -> None:
    actor = Actor("a", {"a": {P0: (1, 10)}}, refused_parcel())
    group = Group(actor)

    def refuse() -> None:
        raise DeliveryError("out does not take it")

    actor.on_resend = refuse
    with pytest.raises(DeliveryError):
        group.cut()
    assert group.commits == []


def test_a_cut_without_commit_waits_for_delivery_only() -> None:
    parcel = parcel_of(1)
    group = Group(Actor("a", {"a": {P0: (1, 10)}}, parcel))

    def arrive() -> None:
        parcel.good += 1

    group.post.steps = [arrive]
    assert group.cut(commit=False)
    assert (group.commits, parcel.delivered) == ([], True)


def test_a_refused_commit_is_made_again_by_the_next_cut() -> None:
    group = Group(Actor("a", {"a": {P0: (1, 10)}}))
    group.refusal = CommitError("not now")
    with pytest.raises(CommitError):
        group.cut()
    assert group.checkpoint.committed == {}
    group.refusal = None
    group.cut()
    assert group.offsets == [{P0: 10}]


def test_a_partition_that_went_between_report_and_commit_counts_as_not_committed() -> None:
    a = Actor("a", {"a": {P0: (1, 10), P1: (1, 4)}})
    group = Group(a, owned={P0: 1, P1: 1})
    commit = group._commit

    def lose_one(points: Mapping[TopicPartition, CommitPoint]) -> dict[TopicPartition, int]:
        group.owned = {P1: 1}
        return commit(points)

    group.checkpoint._commit = lose_one
    group.cut()
    assert group.checkpoint.committed == {P1: 4}


def test_whoever_waits_for_another_cut_serves_commits_meanwhile() -> None:
    group = Group(Actor("a", {"a": {P0: (1, 10)}}))
    inside, go_on = threading.Event(), threading.Event()
    commit = group._commit

    def slow(points: Mapping[TopicPartition, CommitPoint]) -> dict[TopicPartition, int]:
        inside.set()
        assert go_on.wait(10)
        return commit(points)

    group.checkpoint._commit = slow
    first = threading.Thread(target=group.cut)
    first.start()
    assert inside.wait(10)
    assert not group.cut(0.1)
    assert group.served > 0
    go_on.set()
    first.join(10)
    assert group.offsets == [{P0: 10}]
