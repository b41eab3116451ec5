from __future__ import annotations

import threading

import pytest

from sabot.clock import SystemClock
from sabot.testing import ManualClock


def test_a_system_clock_waits_for_an_event_that_is_set_already() -> None:
    event = threading.Event()
    event.set()

    assert SystemClock().wait(event, timeout=0)


def test_a_system_clock_gives_up_when_the_time_is_over() -> None:
    condition = threading.Condition()
    with condition:
        assert not SystemClock().wait_on(condition, timeout=0.001)


def test_a_manual_clock_moves_both_of_its_times() -> None:
    clock = ManualClock(now=100.0)
    clock.advance(1.5)

    assert (clock.monotonic(), clock.time()) == (1.5, 101.5)


def test_a_manual_clock_does_not_go_backwards() -> None:
    with pytest.raises(ValueError, match="forwards only"):
        ManualClock().advance(-1)


def test_advancing_far_enough_ends_a_wait_on_an_event_unset() -> None:
    clock, outcome = ManualClock(), []
    thread = threading.Thread(target=lambda: outcome.append(clock.wait(threading.Event(), 5)))
    thread.start()
    clock.wait_until_waiting()
    clock.advance(4)
    assert clock.pending == (1.0,)
    clock.advance(1)
    thread.join(10)

    assert outcome == [False]
    assert clock.pending == ()


def test_setting_an_event_ends_a_wait_though_the_clock_stands_still() -> None:
    clock, event, outcome = ManualClock(), threading.Event(), []
    thread = threading.Thread(target=lambda: outcome.append(clock.wait(event, 5)))
    thread.start()
    clock.wait_until_waiting()
    event.set()
    thread.join(10)

    assert outcome == [True]


@pytest.mark.parametrize("notified", [True, False])
def test_a_wait_on_a_condition_says_whether_the_time_ran_out(notified: bool) -> None:
    clock, condition, outcome = ManualClock(), threading.Condition(), []

    def wait() -> None:
        with condition:
            outcome.append(clock.wait_on(condition, 5))

    thread = threading.Thread(target=wait)
    thread.start()
    clock.wait_until_waiting()
    if notified:
        with condition:
            condition.notify_all()
    else:
        clock.advance(5)
    thread.join(10)

    assert outcome == [notified]
