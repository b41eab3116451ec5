"""One actor of a driven program, run by whoever drives it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from sabot.runtime.agent import AgentActor
from sabot.runtime.messages import Assigned, Work
from sabot.runtime.pipeline import PipelineActor
from sabot.runtime.progress import Start
from sabot.testing.clock import ManualClock
from sabot.types import TopicPartition

__all__ = ["DrivenActor", "ImpatientClock"]

_BACKOFF_LIMIT_SECONDS: Final = 30.0


class ImpatientClock:
    """The clock of agents: a wait moves it, since the caller waits for the agent."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def time(self) -> float:
        return self._clock.time()

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None:
            return event.wait()
        if not event.is_set():
            self._clock.advance(timeout)
        return event.is_set()

    def wait_on(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        if timeout is None:
            return condition.wait()
        self._clock.advance(timeout)
        return False


class DrivenActor:
    """One actor and what waits for it."""

    def __init__(self, actor: PipelineActor | AgentActor, clock: ManualClock) -> None:
        self.actor = actor
        self._clock = clock
        self._waiting: deque[Work] = deque()
        self._known: set[TopicPartition] = set()
        self._due = 0.0
        self._attempts = 0

    def put(self, work: Work) -> None:
        """Queue a raw batch."""
        fresh = work.raw.next_offsets.keys() - self._known
        if fresh:
            self._known |= fresh
            self.actor.receive_control(Assigned({tp: Start(0, 1) for tp in fresh}))
        self._waiting.append(work)

    def run(self) -> bool:
        """Do what is due; return whether there was anything.

        Raises:
            Exception: What would end a worker.
        """
        moved = False
        while self._waiting and self._due <= self._clock.monotonic():
            try:
                self.actor.receive(self._waiting[0])
            except Exception as error:
                if not getattr(error, "retriable", False):
                    raise
                # The batch stays at hand, as in a worker.
                wait = min(2.0**self._attempts, _BACKOFF_LIMIT_SECONDS)
                self._due, self._attempts = self._clock.monotonic() + wait, self._attempts + 1
            else:
                self._waiting.popleft()
                self._attempts = 0
            moved = True
        self.actor.tick()
        return moved

    def waits(self) -> list[float]:
        """Return the seconds until something is due."""
        waits = [self._due - self._clock.monotonic()] if self._waiting else []
        if isinstance(self.actor, PipelineActor):
            held = self.actor.flow.retry_due(self._clock.monotonic())
            waits += [] if held is None else [held]
        return waits
