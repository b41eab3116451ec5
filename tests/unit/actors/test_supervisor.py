from __future__ import annotations

import logging

import pytest

from sabot.actors import Backoff, RestartLimit, Strategy, Supervision, Supervisor
from sabot.errors import BrokerUnavailableError, PlanError, RestartLimitError
from sabot.testing import ManualClock

STEADY = Backoff(min_seconds=1, max_seconds=8, jitter=0)


def supervisor(clock: ManualClock, **settings: object) -> Supervisor:
    return Supervisor("orders", Supervision(backoff=STEADY, **settings), clock)  # type: ignore[arg-type]


def test_waits_grow_until_a_success_and_start_small_again() -> None:
    judge = supervisor(ManualClock())
    delays = [judge.decide(OSError()).delay for _ in range(3)]
    judge.succeeded()

    assert delays == [1, 2, 4]
    assert judge.decide(OSError()).delay == 1
    assert judge.restarts == 4


def test_success_in_between_does_not_hide_failures_from_the_limit() -> None:
    judge = supervisor(ManualClock(), limit=RestartLimit(count=2, window_seconds=60))
    strategies = []
    for _ in range(3):
        strategies.append(judge.decide(OSError()).strategy)
        judge.succeeded()

    assert strategies == [Strategy.RESTART, Strategy.RESTART, Strategy.ESCALATE]


def test_too_many_failures_escalate_with_the_first_cause() -> None:
    judge = supervisor(ManualClock(), limit=RestartLimit(count=1, window_seconds=60))
    first = OSError("disk full")
    judge.decide(first)
    decision = judge.decide(KeyError("handle"))

    assert decision.strategy is Strategy.ESCALATE
    assert isinstance(decision.error, RestartLimitError)
    assert decision.error.__cause__ is first
    assert str(decision.error) == (
        "actor 'orders' failed 2 times within 60 s; first cause: OSError: disk full"
    )


def test_transient_failures_do_not_count_but_do_not_go_on_for_ever() -> None:
    clock = ManualClock()
    judge = supervisor(clock, limit=RestartLimit(count=0), max_transient_seconds=100)
    first = BrokerUnavailableError("no broker")
    assert judge.decide(first).strategy is Strategy.RESTART
    clock.advance(99)
    assert judge.decide(BrokerUnavailableError("still none")).strategy is Strategy.RESTART
    clock.advance(1)
    decision = judge.decide(BrokerUnavailableError("still none"))

    assert decision.strategy is Strategy.ESCALATE
    assert decision.error.__cause__ is first
    assert "no success for 100 s" in str(decision.error)


def test_a_success_starts_the_time_of_transient_failures_anew() -> None:
    clock = ManualClock()
    judge = supervisor(clock, max_transient_seconds=100)
    judge.decide(BrokerUnavailableError("x"))
    judge.succeeded()
    clock.advance(1000)

    assert judge.decide(BrokerUnavailableError("x")).strategy is Strategy.RESTART


def test_without_a_time_transient_failures_may_go_on_for_ever() -> None:
    clock = ManualClock()
    judge = supervisor(clock, max_transient_seconds=None)
    judge.decide(BrokerUnavailableError("x"))
    clock.advance(1e6)

    assert judge.decide(BrokerUnavailableError("x")).strategy is Strategy.RESTART


def test_what_escalates_at_once_escalates_as_it_is() -> None:
    error = PlanError("no such column")

    assert supervisor(ManualClock()).decide(error).error is error


def test_a_failure_is_logged_with_its_traceback_once(caplog: pytest.LogCaptureFixture) -> None:
    judge = supervisor(ManualClock())
    with caplog.at_level(logging.WARNING, "sabot.actors"):
        for _ in range(3):
            judge.decide(OSError("disk full\nat block 7"))

    assert [record.exc_info is not None for record in caplog.records] == [True, False, False]
    assert caplog.messages[2] == (
        "actor 'orders' failed (failure 3 in a row): OSError: disk full; next try in 4.0 s"
    )
    assert judge.last_error == "OSError: disk full"
