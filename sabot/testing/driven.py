"""One actor of a driven program, run by whoever drives it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from sabot.runtime.agent import AgentActor
from sabot.runtime.messages import Assigned, Work
from sabot.runtime.pipeline import PipelineActor
from sabot.runtime.progress import Start
from sabot.state import MemoryStore, Shard
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
        self._shards: dict[tuple[str, TopicPartition], Shard] = {}
        self._due = 0.0
        self._attempts = 0

    def put(self, work: Work) -> None:
        """Queue a raw batch."""
        fresh = work.raw.next_offsets.keys() - self._known
        if fresh:
            self._known |= fresh
            shards = {(store, tp): self._shard(store, tp) for tp in fresh for store in self._stores}
            self.actor.receive_control(Assigned({tp: Start(0, 1) for tp in fresh}, shards))
        self._waiting.append(work)

    @property
    def _stores(self) -> set[str]:
        """What the actor's steps keep."""
        if not isinstance(self.actor, PipelineActor):
            return set()
        return {step.store for branch in self.actor.flow.branches for step in branch.stateful}

    def _shard(self, store: str, tp: TopicPartition) -> Shard:
        shard = self._shards[store, tp] = Shard(MemoryStore(), store, tp.partition)
        return shard

    def state(self, store: str) -> dict[bytes, bytes]:
        """Return what is kept under a name, of all partitions together."""
        found: dict[bytes, bytes] = {}
        for (name, _), shard in self._shards.items():
            if name == store:
                found.update(shard.scan())
        return found

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
