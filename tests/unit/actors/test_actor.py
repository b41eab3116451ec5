from __future__ import annotations

from typing import Any

from sabot.actors import Actor, ActorSystem, Mailbox


class Collector(Actor):
    def __init__(self) -> None:
        self.name = "collector"
        self.got: list[Any] = []

    def receive(self, message: Any) -> None:
        self.got.append(message)


def test_an_actor_needs_nothing_but_a_name_and_receive() -> None:
    system, actor = ActorSystem(), Collector()
    ref = system.spawn(actor, Mailbox(10, 1000))
    ref.tell("a")
    assert ref.ask("anything").result(20) is None

    assert system.stop(20) == []
    assert actor.got == ["a"]
