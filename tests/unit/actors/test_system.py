from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sabot.actors import ActorRef, ActorState, ActorSystem, Strategy
from sabot.errors import ActorError, ActorStoppedError, PlanError
from tests.unit.actors.recording import STEADY, Recording, mailbox


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_actors_stop_in_the_reverse_order_of_their_start() -> None:
    system, stopped = ActorSystem(), []
    names = ("sink", "pipeline", "source")
    parent = None
    for name in names:
        actor = Recording(name, stopping=lambda name=name: stopped.append(name))
        parent = system.spawn(actor, mailbox(), parent=parent)

    assert system.stop(20) == []
    assert stopped == ["source", "pipeline", "sink"]


def test_a_sender_is_drained_before_its_receiver_is_asked_to_stop() -> None:
    system, receiver = ActorSystem(), Recording("receiver")
    to = system.spawn(receiver, mailbox())
    sender = Recording("sender", receive=to.tell, stopping=lambda: to.tell("last"))
    source = system.spawn(sender, mailbox())
    for number in range(50):
        source.tell(number)

    assert system.stop(20) == []
    assert receiver.messages("receive") == [*range(50), "last"]


def test_the_tree_lists_parents_before_children() -> None:
    system = ActorSystem()
    domain = system.spawn(Recording("domain"), mailbox())
    system.spawn(Recording("web"), mailbox())
    pipeline = system.spawn(Recording("pipeline"), mailbox(), parent=domain)
    system.spawn(Recording("timer"), mailbox(), parent=pipeline)

    assert [(depth, ref.name) for depth, ref in system.tree()] == [
        (0, "domain"), (1, "pipeline"), (2, "timer"), (0, "web"),
    ]  # fmt: skip
    assert [ref.name for ref in system.children(domain)] == ["pipeline"]
    assert [shown.name for shown in system.statistics()] == ["domain", "web", "pipeline", "timer"]
    assert system.stop(20) == []


def test_one_part_of_the_tree_stops_and_the_rest_goes_on() -> None:
    system = ActorSystem()
    domain = system.spawn(Recording("domain"), mailbox())
    inner = system.spawn(Recording("inner"), mailbox(), parent=domain)
    other = system.spawn(Recording("other"), mailbox())

    assert system.stop(20, below=domain) == []
    assert [ref.has_ended for ref in (domain, inner, other)] == [True, True, False]
    system.spawn(Recording("inner"), mailbox(), parent=other)
    assert system.stop(20) == []


def test_a_name_is_free_again_only_when_its_actor_has_ended() -> None:
    system = ActorSystem()
    first = system.spawn(Recording("orders"), mailbox())
    with pytest.raises(ActorError, match="there is an actor 'orders' already"):
        system.spawn(Recording("orders"), mailbox())
    first.stop(timeout=20)
    second = system.spawn(Recording("orders"), mailbox())

    assert system.children() == (second,)
    assert system.stop(20) == []


def test_nothing_starts_in_a_system_that_stops_or_below_what_has_ended() -> None:
    system, other = ActorSystem(), ActorSystem()
    parent = system.spawn(Recording("parent"), mailbox())
    with pytest.raises(ActorError, match="not of this system"):
        other.spawn(Recording("child"), mailbox(), parent=parent)
    parent.stop(timeout=20)
    with pytest.raises(ActorStoppedError, match="'parent' of actor 'child' has ended"):
        system.spawn(Recording("child"), mailbox(), parent=parent)
    system.stop(20)
    with pytest.raises(ActorStoppedError, match="the system is stopping"):
        system.spawn(Recording("late"), mailbox())


def test_an_escalation_passes_all_parents_and_the_first_one_is_kept() -> None:
    system = ActorSystem()
    heard: list[tuple[str, BaseException]] = []
    system.on_escalation(lambda ref, error: heard.append((ref.name, error)))
    domain = system.spawn(Recording("domain"), mailbox())
    first, second = SystemExit(3), PlanError("x")
    for name, error in (("a", first), ("b", second)):
        ref = system.spawn(Recording(name, receive=raising(error)), mailbox(), parent=domain)
        ref.tell("go")
        assert ref.join(20)

    assert heard == [("a", first), ("b", second)]
    assert system.first_failure is not None
    assert system.first_failure[1] is first
    assert not domain.has_ended
    assert system.stop(20) == []


def test_a_parent_may_leave_a_failed_child_stopped_and_go_on() -> None:
    system = ActorSystem()
    heard: list[ActorRef] = []
    system.on_escalation(lambda ref, _: heard.append(ref))
    parent = system.spawn(
        Recording("parent"), mailbox(), supervision=replace(STEADY, child_strategy=Strategy.STOP)
    )
    child = system.spawn(
        Recording("child", started=raising(PlanError("x"))), mailbox(), parent=parent
    )
    assert child.join(20)

    assert heard == []
    assert system.first_failure is None
    assert child.statistics().state is ActorState.FAILED
    assert system.stop(20) == []


def test_an_escalation_that_nobody_hears_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    system = ActorSystem()
    ref = system.spawn(Recording("orders", started=raising(PlanError("x"))), mailbox())
    assert ref.join(20)

    assert "nobody hears of the end of actor 'orders'" in caplog.messages


def test_everything_stops_though_one_actor_hangs_and_the_log_says_where(
    caplog: pytest.LogCaptureFixture,
) -> None:
    system, go_on = ActorSystem(), threading.Event()

    def hang_here(_: Any) -> None:
        go_on.wait(20)

    first, last = Recording("first"), Recording("last")
    system.spawn(first, mailbox())
    hanging = Recording("hanging", receive=hang_here)
    stuck = system.spawn(hanging, mailbox())
    system.spawn(last, mailbox())
    stuck.tell("a")
    stuck.tell("b")
    hanging.wait_for("receive")
    with caplog.at_level(logging.ERROR, "sabot.actors"):
        left = system.stop(0.01, grace=0.2)

    assert left == [stuck]
    assert [first.calls[-1], last.calls[-1]] == ["stopping", "stopping"]
    assert "actor 'hanging' did not stop" in caplog.text
    assert "in hang_here" in caplog.text
    go_on.set()
    assert stuck.join(20)
    assert hanging.messages("receive") == ["a"]


def test_stopping_from_an_actors_own_thread_does_not_wait_for_itself() -> None:
    system, left = ActorSystem(), []
    other = system.spawn(Recording("other"), mailbox())
    ref = system.spawn(
        Recording("orders", receive=lambda _: left.append(system.stop(20))), mailbox()
    )
    ref.tell("stop everything")
    assert ref.join(20)

    assert left == [[]]
    assert other.join(20)
