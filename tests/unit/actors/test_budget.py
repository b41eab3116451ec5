from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.actors import ByteBudget, Mailbox
from sabot.errors import ConfigurationError


def test_a_slow_mailbox_uses_the_pool_up_and_leaves_each_its_part() -> None:
    budget = ByteBudget(1_000)
    slow, other = (Mailbox(1_000, 10_000, budget=budget) for _ in range(2))
    while slow.offer("x", size=10):
        pass
    assert slow.bytes == 750
    assert slow.is_full
    taken = 0
    while other.offer("x", size=10):
        taken += 10
    assert taken == other.guaranteed == 250
    assert budget.used == 1_000


def test_what_is_in_hand_counts_until_it_is_settled() -> None:
    budget = ByteBudget(1_000)
    box = Mailbox(10, 10_000, budget=budget)
    box.offer("a", size=100)
    box.take()
    assert (box.bytes, box.held, budget.used) == (0, 100, 100)
    box.settle()
    assert (box.held, budget.used) == (0, 0)


def test_a_mailbox_refused_by_the_budget_opens_again_when_it_has_shrunk() -> None:
    budget = ByteBudget(1_000)
    box = Mailbox(1_000, 10_000, budget=budget)
    while box.offer("x", size=100):
        pass
    assert box.is_full
    while box.held > 200:
        box.take()
    assert box.has_room()


def test_an_empty_mailbox_takes_what_could_never_pass_otherwise() -> None:
    budget = ByteBudget(100)
    box = Mailbox(10, 10_000, budget=budget)
    assert box.offer("big", size=5_000)
    assert not box.offer("more", size=1)
    assert budget.used == 5_000


def test_a_mailbox_that_ended_leaves_its_bytes_to_the_others() -> None:
    budget = ByteBudget(1_000)
    gone, left = (Mailbox(1_000, 10_000, budget=budget) for _ in range(2))
    gone.offer("x", size=700)
    gone.end()
    assert (budget.used, left.guaranteed) == (0, 500)


def test_dropping_and_closing_give_bytes_back() -> None:
    budget = ByteBudget(1_000)
    box = Mailbox(100, 10_000, budget=budget)
    for message in ("a", "b", "c"):
        box.offer(message, size=100)
    box.drop_if(lambda message: message == "b")
    assert budget.used == 200
    box.close(drain=False)
    assert budget.used == 0


@pytest.mark.parametrize("total", [0, -1, 1.5, True])
def test_a_budget_is_a_whole_number_of_bytes(total: object) -> None:
    with pytest.raises(ConfigurationError, match="mailbox_bytes is"):
        ByteBudget(total)  # type: ignore[arg-type]


@given(
    total=st.integers(1, 500),
    moves=st.lists(st.tuples(st.integers(0, 2), st.integers(-60, 60)), max_size=60),
)
def test_the_sum_never_passes_the_budget_and_nobody_is_refused_his_part(
    total: int, moves: list[tuple[int, int]]
) -> None:
    budget = ByteBudget(total)
    shares = [budget.share() for _ in range(3)]
    for which, change in moves:
        share = shares[which]
        if change < 0:
            share.give(min(-change, share.used))
        else:
            within = share.used + change <= share.guaranteed
            assert share.take(change) or not within
        assert budget.used <= total
