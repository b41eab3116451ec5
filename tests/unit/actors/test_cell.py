from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sabot.actors import ActorState, RestartLimit, Strategy, Supervision, ThreadCell
from sabot.errors import ActorStoppedError, BrokerUnavailableError, PlanError, RestartLimitError
from sabot.testing import ManualClock
from tests.unit.actors.recording import STEADY, Recording, mailbox

Start = Callable[..., ThreadCell]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def escalated() -> list[BaseException]:
    return []


@pytest.fixture
def start(clock: ManualClock, escalated: list[BaseException]) -> Iterator[Start]:
    """Start cells and see to it that none outlives its test."""
    cells: list[ThreadCell] = []

    def start(actor: Recording, supervision: Supervision = STEADY) -> ThreadCell:
        cell = ThreadCell(
            actor,
            mailbox(clock=clock),
            supervision=supervision,
            kind="test",
            clock=clock,
            on_escalation=lambda _, error: escalated.append(error),
        )
        cells.append(cell)
        cell.start()
        return cell

    yield start
    for cell in cells:
        cell.request_stop(drain=False)
        assert cell.join()


def failing(times: int, error: Callable[[], BaseException] = OSError) -> Callable[..., None]:
    """Raise for the first calls and be fine after that."""
    left = iter(range(times))

    def maybe(*_: Any) -> None:
        if next(left, None) is not None:
            raise error()

    return maybe


def test_the_calls_come_in_their_order_on_one_thread_of_the_actors_name(start: Start) -> None:
    actor = Recording("orders")
    cell = start(actor)
    cell.mailbox.put("a")
    cell.mailbox.put("b")
    assert cell.stop()

    assert actor.calls == ["started", "tick", "receive", "receive", "stopping"]
    assert [thread.name for thread in actor.threads] == ["sabot-orders"]


def test_a_message_that_failed_is_given_again_and_nothing_overtakes_it(
    start: Start, clock: ManualClock
) -> None:
    actor = Recording(receive=failing(2))
    cell = start(actor)
    cell.mailbox.put("a")
    cell.mailbox.put("b")
    for wait in (1, 2):
        clock.wait_until_waiting()
        assert clock.pending == (wait,)
        clock.advance(wait)
    actor.wait_for("receive", 4)
    assert cell.stop()

    assert actor.calls[2:-1] == [
        "receive", "restarted", "receive", "restarted", "receive", "receive",
    ]  # fmt: skip
    assert actor.messages("receive") == ["a", "a", "a", "b"]
    assert [type(error) for error in actor.messages("restarted")] == [OSError, OSError]


def test_a_failing_restart_is_the_next_failure(start: Start, clock: ManualClock) -> None:
    actor = Recording(receive=failing(1), restarted=failing(1, KeyError))
    cell = start(actor)
    cell.mailbox.put("a")
    clock.wait_until_waiting()
    clock.advance(1)
    clock.wait_until_waiting()
    assert clock.pending == (2,)
    clock.advance(2)
    actor.wait_for("receive", 2)

    assert [type(error) for error in actor.messages("restarted")] == [OSError, KeyError]


def test_a_start_that_fails_is_tried_again_before_any_message(
    start: Start, clock: ManualClock
) -> None:
    actor = Recording(started=failing(1))
    cell = start(actor)
    cell.mailbox.put("a")
    clock.wait_until_waiting()
    clock.advance(1)
    actor.wait_for("receive")
    assert cell.stop()

    assert actor.calls == ["started", "started", "tick", "receive", "stopping"]


def test_control_is_served_while_a_message_in_hand_waits_for_its_next_try(
    start: Start, clock: ManualClock
) -> None:
    actor = Recording(receive=failing(1), receive_control=lambda message: f"{message} done")
    cell = start(actor)
    cell.mailbox.put("a")
    clock.wait_until_waiting()
    cell.mailbox.signal("cut")
    actor.wait_for("receive_control")
    clock.wait_until_waiting()
    assert cell.statistics().state is ActorState.BACKING_OFF
    assert clock.pending == (1,)
    clock.advance(1)
    actor.wait_for("receive", 2)

    assert actor.messages("receive") == ["a", "a"]


def test_a_control_message_that_fails_is_not_given_again(start: Start, clock: ManualClock) -> None:
    actor = Recording(receive_control=failing(1))
    cell = start(actor)
    cell.mailbox.signal("cut 1")
    clock.wait_until_waiting()
    clock.advance(1)
    cell.mailbox.signal("cut 2")
    actor.wait_for("receive_control", 2)

    assert actor.messages("receive_control") == ["cut 1", "cut 2"]
    assert len(actor.messages("restarted")) == 1


def test_a_control_message_that_fails_during_a_backoff_counts_towards_the_limit(
    start: Start, clock: ManualClock, escalated: list[BaseException]
) -> None:
    first = OSError("first")

    def fail_first(_: Any) -> None:
        raise first

    actor = Recording(receive=fail_first, receive_control=failing(1, KeyError))
    cell = start(actor, replace(STEADY, limit=RestartLimit(count=1)))
    cell.mailbox.put("a")
    clock.wait_until_waiting()
    cell.mailbox.signal("cut")
    assert cell.join()

    assert [error.__cause__ for error in escalated] == [first]


def test_a_stop_cuts_a_backoff_short_and_gives_the_message_one_more_chance(
    start: Start, clock: ManualClock, escalated: list[BaseException]
) -> None:
    actor = Recording(receive=failing(1))
    cell = start(actor)
    cell.mailbox.put("a")
    clock.wait_until_waiting()
    assert cell.stop()

    assert actor.messages("receive") == ["a", "a"]
    assert cell.statistics().records_done == 1
    assert escalated == []


def test_a_stop_without_draining_gives_up_a_message_that_keeps_failing(
    start: Start, clock: ManualClock, escalated: list[BaseException]
) -> None:
    actor = Recording(receive=failing(99))
    cell = start(actor)
    cell.mailbox.put("a")
    cell.mailbox.put("b")
    clock.wait_until_waiting()
    assert cell.stop(drain=False)

    assert actor.messages("receive") == ["a"]
    assert actor.calls[-1] == "stopping"
    assert cell.statistics().records_done == 0
    assert cell.statistics().state is ActorState.STOPPED
    assert escalated == []


def test_an_actor_that_never_started_stops_without_waiting_for_its_next_try(
    start: Start, clock: ManualClock
) -> None:
    actor = Recording(started=failing(99))
    cell = start(actor)
    clock.wait_until_waiting()
    assert cell.stop()

    assert actor.calls == ["started", "stopping"]


def test_draining_works_off_what_waits_and_refuses_what_comes(start: Start) -> None:
    go_on = threading.Event()
    actor = Recording(receive=lambda _: go_on.wait(20))
    cell = start(actor)
    for message in "abc":
        cell.mailbox.put(message)
    actor.wait_for("receive")
    cell.request_stop()
    assert cell.statistics().state is ActorState.DRAINING
    with pytest.raises(ActorStoppedError, match="'recorder' takes no more"):
        cell.mailbox.put("d")
    go_on.set()
    assert cell.join()

    assert actor.messages("receive") == ["a", "b", "c"]


def test_too_many_failures_escalate_with_the_first_cause(
    start: Start, clock: ManualClock, escalated: list[BaseException]
) -> None:
    errors = iter([OSError("disk full"), KeyError("a"), KeyError("b")])

    def fail(_: Any) -> None:
        raise next(errors)

    actor = Recording(receive=fail)
    cell = start(actor, replace(STEADY, limit=RestartLimit(count=2)))
    cell.mailbox.put("a")
    for wait in (1, 2):
        clock.wait_until_waiting()
        clock.advance(wait)
    assert cell.join()

    assert isinstance(escalated[0], RestartLimitError)
    assert repr(escalated[0].__cause__) == "OSError('disk full')"
    assert actor.calls[-1] == "stopping"
    assert cell.statistics().state is ActorState.FAILED
    assert cell.failure is escalated[0]


def test_transient_failures_do_not_use_up_the_restarts(
    start: Start, clock: ManualClock, escalated: list[BaseException]
) -> None:
    actor = Recording(receive=failing(3, lambda: BrokerUnavailableError("away")))
    cell = start(actor, replace(STEADY, limit=RestartLimit(count=0)))
    cell.mailbox.put("a")
    for wait in (1, 2, 4):
        clock.wait_until_waiting()
        clock.advance(wait)
    actor.wait_for("receive", 4)
    assert cell.stop()

    assert escalated == []
    assert cell.statistics().restarts == 3


def test_what_no_restart_can_mend_escalates_as_it_is(
    start: Start, escalated: list[BaseException]
) -> None:
    error = PlanError("no such column")
    cell = start(Recording(receive=failing(1, lambda: error)))
    cell.mailbox.put("a")
    assert cell.join()

    assert escalated == [error]


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr
)
def test_what_ends_a_program_is_never_tried_again(
    start: Start, escalated: list[BaseException], error: BaseException
) -> None:
    actor = Recording(receive=failing(1, lambda: error))
    cell = start(actor)
    cell.mailbox.put("a")
    assert cell.join()

    assert escalated == [error]
    assert actor.messages("receive") == ["a"]
    assert actor.calls[-1] == "stopping"


def test_the_code_of_a_system_exit_is_kept(start: Start, escalated: list[BaseException]) -> None:
    cell = start(Recording(receive_control=failing(1, lambda: SystemExit(3))))
    cell.mailbox.signal("go")
    assert cell.join()

    assert [getattr(error, "code", None) for error in escalated] == [3]


def test_an_actor_told_to_stop_by_its_strategy_does_not_escalate(
    start: Start, escalated: list[BaseException]
) -> None:
    actor = Recording(receive=failing(1))
    cell = start(actor, replace(STEADY, classify=lambda _: Strategy.STOP))
    cell.mailbox.put("a")
    cell.mailbox.put("b")
    assert cell.join()

    assert actor.messages("receive") == ["a"]
    assert cell.statistics().state is ActorState.STOPPED
    assert escalated == []


def test_resuming_gives_the_message_up_and_takes_the_next(start: Start) -> None:
    actor = Recording(receive=failing(1))
    cell = start(actor, replace(STEADY, classify=lambda _: Strategy.RESUME))
    cell.mailbox.put("a")
    cell.mailbox.put("b")
    assert cell.stop()

    assert actor.messages("receive") == ["a", "b"]
    assert cell.statistics().records_done == 1


def test_an_error_while_stopping_escalates(start: Start, escalated: list[BaseException]) -> None:
    cell = start(Recording(stopping=failing(1)))
    assert cell.stop()

    assert [type(error) for error in escalated] == [OSError]


def test_a_second_error_while_stopping_does_not_hide_the_first(
    start: Start, escalated: list[BaseException]
) -> None:
    first = PlanError("first")
    cell = start(Recording(receive=failing(1, lambda: first), stopping=failing(1)))
    cell.mailbox.put("a")
    assert cell.join()

    assert escalated == [first]


def test_a_sender_that_waits_for_room_hears_of_the_end_before_stopping_returns(
    start: Start,
) -> None:
    go_on = threading.Event()
    actor = Recording(receive=failing(1, lambda: PlanError("x")), stopping=lambda: go_on.wait(20))
    cell = start(actor)
    cell.mailbox.put("a")
    actor.wait_for("stopping")
    with pytest.raises(ActorStoppedError):
        cell.mailbox.put("b")
    go_on.set()


def test_an_actor_whose_receiver_has_stopped_is_no_failure_while_it_stops_too(
    start: Start, escalated: list[BaseException]
) -> None:
    in_hand, go_on = threading.Event(), threading.Event()

    def send_on(_: Any) -> None:
        in_hand.set()
        assert go_on.wait(20)
        raise ActorStoppedError("the next one has stopped")

    cell = start(Recording(receive=send_on), replace(STEADY, limit=RestartLimit(count=0)))
    cell.mailbox.put("a")
    assert in_hand.wait(20)
    cell.request_stop()
    go_on.set()
    assert cell.join()

    assert escalated == []


def test_ticks_come_when_they_are_due_also_between_messages(
    start: Start, clock: ManualClock
) -> None:
    actor = Recording(tick=lambda: 10.0)
    cell = start(actor)
    clock.wait_until_waiting()
    clock.advance(9)
    cell.mailbox.put("a")
    actor.wait_for("receive")
    assert len(actor.messages("tick")) == 1
    clock.wait_until_waiting()
    clock.advance(1)
    actor.wait_for("tick", 2)


def test_an_actor_that_polls_still_sees_control_first(start: Start) -> None:
    polled = threading.Event()

    def poll() -> float:
        polled.set()
        return 0.0

    actor = Recording(tick=poll)
    cell = start(actor)
    assert polled.wait(20)
    cell.mailbox.signal("cut")
    actor.wait_for("receive_control")
    actor.wait_for("tick", len(actor.messages("tick")) + 3)
    assert cell.stop()


def test_a_tick_that_fails_is_called_again_after_the_backoff(
    start: Start, clock: ManualClock
) -> None:
    actor = Recording(tick=failing(1))
    start(actor)
    clock.wait_until_waiting()
    clock.advance(1)
    actor.wait_for("tick", 2)

    assert actor.calls == ["started", "tick", "restarted", "tick"]


def test_statistics_show_what_is_in_hand_and_what_waits(start: Start, clock: ManualClock) -> None:
    actor = Recording(receive=failing(1, lambda: OSError("disk full\nsomewhere")))
    cell = start(actor)
    cell.mailbox.put("a", records=7, size=70)
    clock.wait_until_waiting()
    cell.mailbox.put("b", records=5, size=50)
    clock.advance(0.25)
    shown = cell.statistics()

    assert (shown.name, shown.kind, shown.state) == ("recorder", "test", ActorState.BACKING_OFF)
    assert (shown.depth, shown.depth_bound) == (5, 100)
    assert (shown.bytes, shown.bytes_bound) == (50, 1 << 20)
    assert (shown.restarts, shown.last_error) == (1, "OSError: disk full")
    assert (shown.records_done, shown.in_hand_seconds) == (0, 0.25)
    assert cell.stop()

    shown = cell.statistics()
    assert (shown.records_done, shown.depth, shown.in_hand_seconds) == (12, 0, None)
    assert shown.state.is_final


def test_an_escalation_that_nobody_takes_does_not_keep_the_actor_from_ending(
    clock: ManualClock,
) -> None:
    def refuse(_: ThreadCell, __: BaseException) -> None:
        raise ValueError("not mine")

    actor = Recording(started=failing(1, lambda: PlanError("x")))
    cell = ThreadCell(actor, mailbox(), clock=clock, on_escalation=refuse)
    cell.start()
    assert cell.join()

    assert actor.calls == ["started", "stopping"]


def test_an_actor_cannot_wait_for_itself(start: Start) -> None:
    outcome: list[bool] = []
    actor = Recording()
    cell = start(actor)
    actor.on["receive"] = lambda _: outcome.append(cell.stop(timeout=20))
    cell.mailbox.put("a")
    assert cell.join()

    assert outcome == [False]
