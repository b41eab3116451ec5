from __future__ import annotations

import threading

from sabot.actors import ActorSystem, Mailbox, Supervision
from sabot.errors import HandlerStuckError
from sabot.runtime.hand_watch import HandWatch
from sabot.runtime.lane import Lane
from sabot.runtime.messages import Work
from tests.records import raw_of, rows
from tests.unit.runtime.test_lane import Taker
from tests.until import until


class Ticks:
    """A clock of which a test moves what `monotonic` says."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.wait(timeout)

    def wait_on(self, condition: threading.Condition, timeout: float | None) -> bool:
        return condition.wait(timeout)


def test_a_step_that_holds_its_batch_past_its_time_is_given_up_once() -> None:
    clock, actor = Ticks(), Taker()
    system = ActorSystem(clock)  # type: ignore[arg-type]
    lane = Lane(actor, system.spawn(actor, Mailbox(10, 1_000)), Supervision(timeout_seconds=100))
    stuck: list[HandlerStuckError] = []
    watch = HandWatch(lambda: [lane], lambda _, error: stuck.append(error))
    try:
        watch.look()
        lane.send(Work(raw_of(rows([{"n": 1}])), "in"))
        assert actor.begun.wait(10)
        clock.now = 99
        watch.look()
        assert stuck == []
        clock.now = 100
        watch.look()
        watch.look()
        assert len(stuck) == 1
        assert "'taker' has had a batch in hand for 100.0 s" in str(stuck[0])
        assert "assert self.go.wait(20)" in str(stuck[0])
        actor.go.set()
        until(lane.is_idle, what="an idle lane")
    finally:
        actor.go.set()
        system.stop(10)
