from __future__ import annotations

import pytest

from sabot.actors import ActorSystem, Backoff, Group, Supervision
from tests.unit.actors.recording import Recording, mailbox
from tests.until import until

RESTART = Supervision("restart", Backoff(0, 0))


@pytest.mark.parametrize(
    ("group", "anew"),
    [("one_for_one", set()), ("one_for_all", {"a", "c"}), ("rest_for_one", {"c"})],
)
def test_the_siblings_that_begin_anew_are_those_of_the_group(group: str, anew: set[str]) -> None:
    system = ActorSystem(group=group)
    failures = iter([ValueError("once")])

    def receive(message: str) -> None:
        for error in failures:
            raise error

    actors = {name: Recording(name) for name in "abc"}
    actors["b"].on["receive"] = receive
    refs = {
        name: system.spawn(actor, mailbox(), supervision=RESTART) for name, actor in actors.items()
    }
    try:
        for actor in actors.values():
            actor.wait_for("started")
        refs["b"].tell("work")
        actors["b"].wait_for("receive", 2)
        for name in anew:
            actors[name].wait_for("restarted")
        for ref in refs.values():
            ref.ask("are you through?").result(10)
    finally:
        system.stop(10)
    assert {name for name in "ac" if actors[name].messages("restarted")} == anew
    assert len(actors["b"].messages("restarted")) == 1
    for name in "ac":
        assert refs[name].statistics().restarts == (1 if name in anew else 0)


def test_a_parents_group_is_for_its_children_alone() -> None:
    system = ActorSystem()
    failures = iter([ValueError("once")])

    def receive(message: str) -> None:
        for error in failures:
            raise error

    parent, outside = Recording("parent"), Recording("outside")
    child, failing = Recording("child"), Recording("failing", receive=receive)
    top = system.spawn(parent, mailbox(), supervision=Supervision(group=Group.ONE_FOR_ALL))
    system.spawn(outside, mailbox())
    system.spawn(child, mailbox(), parent=top, supervision=RESTART)
    ref = system.spawn(failing, mailbox(), parent=top, supervision=RESTART)
    try:
        ref.tell("work")
        child.wait_for("restarted")
        until(lambda: failing.messages("restarted"), what="its own restart")
    finally:
        system.stop(10)
    assert not parent.messages("restarted")
    assert not outside.messages("restarted")


def test_one_that_escalates_has_nobody_begin_anew() -> None:
    system = ActorSystem(group="one_for_all")

    def receive(message: str) -> None:
        raise ValueError("for good")

    failing, other = Recording("failing", receive=receive), Recording("other")
    ref = system.spawn(failing, mailbox(), supervision=Supervision("escalate"))
    system.spawn(other, mailbox())
    ref.tell("work")
    until(lambda: ref.has_ended, what="its end")
    system.stop(10)
    assert not other.messages("restarted")
