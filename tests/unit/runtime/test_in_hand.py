from __future__ import annotations

from sabot.runtime.in_hand import InHand
from sabot.runtime.progress import Progress, Start
from sabot.types import TopicPartition
from tests.records import raw_of, rows

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)


def test_branches_that_do_all_of_a_batch_share_what_is_evaluated() -> None:
    raw = raw_of(rows([{}]))
    hand = InHand(raw, raw)
    first, second = hand.part(0, Progress("a")), hand.part(1, Progress("b"))
    assert first[0] is second[0] is raw
    assert first[1] is second[1]


def test_a_branch_with_less_to_do_shares_nothing() -> None:
    raw = raw_of(rows([{}, {}]))
    hand = InHand(raw, raw)
    ahead = Progress("a")
    ahead.assign(P0, Start(0, 1, {"a": 1}))
    part, memo = hand.part(0, ahead)
    assert len(part) == 1
    assert memo is not hand.memo


def test_what_a_branch_has_to_do_is_decided_once() -> None:
    raw = raw_of(rows([{}, {}]))
    hand = InHand(raw, raw)
    ahead = Progress("a")
    ahead.assign(P0, Start(0, 1, {"a": 1}))
    part, _ = hand.part(0, ahead)
    assert ahead.ahead == {}
    assert hand.part(0, ahead)[0] is part


def test_partitions_that_have_gone_are_left_out_of_every_part() -> None:
    raw = raw_of(rows([{}, {}]), rows([{}], partition=1))
    hand = InHand(raw, raw)
    ahead = Progress("a")
    ahead.assign(P0, Start(0, 1, {"a": 1}))
    hand.part(0, ahead)
    whole, memo = hand.part(1, Progress("b"))
    memo[1] = []
    hand.leave_out([P1])
    assert [record.partition() for record in hand.part(0, ahead)[0].records] == [0]
    again, memo = hand.part(1, Progress("b"))
    assert again is not whole
    assert again is hand.fresh
    assert memo is hand.memo == {}
    assert again.next_offsets == {P0: 2}


def test_hearing_of_the_same_partitions_again_evaluates_nothing_anew() -> None:
    raw = raw_of(rows([{}]), rows([{}], partition=1))
    hand = InHand(raw, raw)
    hand.leave_out([P1])
    fresh = hand.fresh
    hand.leave_out([P1])
    hand.leave_out([])
    assert hand.fresh is fresh
