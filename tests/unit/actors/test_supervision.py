from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.actors import (
    Backoff,
    RestartLimit,
    RestartWindow,
    Strategy,
    Supervision,
    is_transient,
    strategy_for,
)
from sabot.errors import (
    BrokerUnavailableError,
    ConfigurationError,
    FunctionResultError,
    HandlerStuckError,
    InternalError,
    PlanError,
)


@given(st.integers(0, 10_000), st.integers())
def test_a_wait_is_never_longer_than_the_longest(attempt: int, seed: int) -> None:
    delay = Backoff(min_seconds=0.5, max_seconds=30, jitter=0.2).delay(attempt, random.Random(seed))

    assert 0.4 <= delay <= 30


def test_jitter_keeps_actors_out_of_step() -> None:
    backoff, dice = Backoff(), random.Random(1)

    assert len({backoff.delay(0, dice) for _ in range(10)}) == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_seconds": -1},
        {"min_seconds": 5, "max_seconds": 1},
        {"factor": 0.5},
        {"jitter": 2},
    ],
)
def test_a_backoff_that_does_not_grow_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="a backoff needs"):
        Backoff(**wrong)


@pytest.mark.parametrize("wrong", [{"count": -1}, {"window_seconds": 0}])
def test_a_limit_that_limits_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="a restart limit needs"):
        RestartLimit(**wrong)


def test_a_parent_cannot_restart_a_child_that_used_up_its_restarts() -> None:
    with pytest.raises(ConfigurationError, match="ESCALATE or STOP"):
        Supervision(child_strategy=Strategy.RESTART)


def test_failures_that_are_far_apart_never_reach_the_limit() -> None:
    window = RestartWindow(RestartLimit(count=1, window_seconds=10))

    assert all(window.note(now, OSError()) for now in (0.0, 11.0, 22.0, 33.0))


def test_the_failure_after_the_last_allowed_restart_is_too_many() -> None:
    window = RestartWindow(RestartLimit(count=2, window_seconds=10))

    assert [window.note(now, OSError()) for now in (0.0, 1.0, 2.0)] == [True, True, False]


def test_the_first_cause_is_kept_while_the_streak_lasts() -> None:
    window = RestartWindow(RestartLimit(count=9, window_seconds=10))
    first, later, new = OSError("first"), OSError("later"), OSError("new")
    window.note(0.0, first)
    window.note(9.0, later)
    window.note(18.0, later)
    assert window.first_cause is first

    window.settle(28.5)
    assert window.first_cause is None
    window.note(30.0, new)
    assert window.first_cause is new


class SomethingFatal(Exception):  # noqa: N818 - what users' classes are called is theirs
    fatal = True


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("x"),
        PlanError("x"),
        FunctionResultError("x", step="map-1"),
        InternalError("x"),
        SomethingFatal(),
    ],
)
def test_what_no_restart_can_mend_escalates_at_once(error: Exception) -> None:
    assert strategy_for(error) is Strategy.ESCALATE


def test_an_unknown_error_is_tried_again() -> None:
    assert strategy_for(ZeroDivisionError()) is Strategy.RESTART


def test_an_error_says_itself_whether_it_only_needs_time() -> None:
    assert is_transient(BrokerUnavailableError("x"))
    assert not is_transient(OSError("x"))


@pytest.mark.parametrize("strategy", ["restart", "stop", "escalate", "resume"])
def test_a_strategy_is_the_answer_to_all_but_a_mistake_in_the_program(strategy: str) -> None:
    supervision = Supervision(strategy)
    assert supervision.answer(ValueError()) is Strategy(strategy)
    assert supervision.answer(PlanError("no such column")) is Strategy.ESCALATE
    stuck = HandlerStuckError("it hangs", step="s")
    assert supervision.answer(stuck) is Strategy.ESCALATE


@pytest.mark.parametrize("wrong", [{"strategy": "panic"}, {"group": "all"}, {"timeout_seconds": 0}])
def test_a_supervision_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} is .*; allowed: "):
        Supervision(**wrong)
