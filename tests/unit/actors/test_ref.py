from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sabot.actors import ActorRef, ActorSystem
from sabot.errors import ActorStoppedError, MailboxFullError
from tests.unit.actors.recording import Recording, mailbox


@pytest.fixture
def system() -> Iterator[ActorSystem]:
    system = ActorSystem()
    yield system
    assert system.stop(20, drain=False) == []


def held(system: ActorSystem) -> tuple[Recording, ActorRef, threading.Event]:
    """Start an actor that holds its first message until the event is set."""
    go_on = threading.Event()
    actor = Recording(receive=lambda _: go_on.wait(20))
    ref = system.spawn(actor, mailbox())
    ref.tell("in hand")
    actor.wait_for("receive")
    return actor, ref, go_on


def test_a_question_is_answered_before_the_data_that_waits(system: ActorSystem) -> None:
    actor, ref, go_on = held(system)
    actor.on["receive_control"] = lambda question: question * 2
    ref.tell("waits")
    answer = ref.ask(21)
    go_on.set()

    assert answer.result(20) == 42
    actor.wait_for("receive", 2)
    assert actor.calls[-3:] == ["receive", "receive_control", "receive"]


def test_an_error_goes_to_the_asker_and_the_actor_goes_on(system: ActorSystem) -> None:
    def fail(_: object) -> None:
        raise LookupError("no such key")

    actor = Recording(receive_control=fail)
    ref = system.spawn(actor, mailbox())

    with pytest.raises(LookupError, match="no such key"):
        ref.ask("key").result(20)
    assert ref.statistics().restarts == 0


def test_a_question_to_an_actor_that_ends_is_refused(system: ActorSystem) -> None:
    _, ref, go_on = held(system)
    answer = ref.ask("too late")
    stopper = threading.Thread(target=lambda: ref.stop(drain=False))
    stopper.start()
    while not ref.mailbox.is_closed:
        stopper.join(0.001)
    go_on.set()
    stopper.join(20)

    with pytest.raises(ActorStoppedError, match="before it could answer"):
        answer.result(20)
    with pytest.raises(ActorStoppedError):
        ref.ask("even later")
    assert ref.has_ended


def test_a_system_exit_while_answering_frees_the_asker(system: ActorSystem) -> None:
    def leave(_: object) -> None:
        raise SystemExit(3)

    ref = system.spawn(Recording(receive_control=leave), mailbox())

    with pytest.raises(ActorStoppedError, match="SystemExit"):
        ref.ask("go").result(20)
    assert ref.join(20)
    assert isinstance(ref.failure, SystemExit)


def test_a_question_cancelled_in_time_is_not_served(system: ActorSystem) -> None:
    actor, ref, go_on = held(system)
    assert ref.ask("never mind").cancel()
    go_on.set()
    ref.ask("this one").result(20)

    assert actor.messages("receive_control") == ["this one"]


def test_offer_and_tell_go_by_the_room_there_is(system: ActorSystem) -> None:
    _, ref, go_on = held(system)
    assert ref.offer("fills it", records=100)
    assert not ref.offer("too much")
    with pytest.raises(MailboxFullError):
        ref.tell("too much", timeout=0)
    ref.signal("passes")
    go_on.set()
    ref.tell("now")


def test_a_ref_is_shown_by_its_name(system: ActorSystem) -> None:
    assert repr(system.spawn(Recording("orders"), mailbox())) == "<ActorRef 'orders'>"
