"""Events for a handler that takes one at a time, and how many of them are finished.

The cursor is what ``async for event in stream`` iterates. An event counts as finished
when the handler asks for the next one, or returns; nothing else acknowledges it: not a
garbage collector, not an exception.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["EventStream", "Feed"]

_SLICE_SECONDS = 0.005
"""A handler that never suspends gives up the loop this often."""


@dataclass(slots=True)
class Feed:
    """Events of one raw batch.

    Attributes:
        values: The decoded values.
        skip: Whether an event, by its number, must not be handed out any more.
        taken: How many have been handed out.
        finished: How many of those are finished.
        since: When the last one was handed out, by ``time.perf_counter``.
    """

    values: Sequence[Any]
    skip: Callable[[int], bool]
    taken: int = 0
    finished: int = 0
    since: float = 0.0

    @property
    def in_hand_seconds(self) -> float | None:
        """How long the event in hand has been there; ``None`` without one."""
        if self.taken <= self.finished:
            return None
        return time.perf_counter() - self.since

    def acknowledge(self) -> None:
        """Finish what has been handed out."""
        self.finished = self.taken


class EventStream(AsyncIterator[Any]):
    """The stream an agent's handler iterates; used on the user loop only.

    It outlives any one handler: one that is started anew goes on where the last stopped,
    beginning with the event that was not finished.
    """

    def __init__(self, on_finished: Callable[[Feed], None]) -> None:
        self._feed: Feed | None = None
        self._more = asyncio.Event()
        self._on_finished = on_finished
        self._suspend_at = 0.0
        self._closed = False

    def put(self, feed: Feed) -> None:
        """Give the events of the next batch; the one before must be finished."""
        self._feed = feed
        self._more.set()

    def rewind(self) -> None:
        """Hand out again what was handed out and not finished."""
        if self._feed is not None:
            self._feed.taken = self._feed.finished

    def acknowledge(self) -> None:
        """Finish the event in hand: the handler has returned."""
        feed = self._feed
        if feed is not None:
            feed.acknowledge()
            self._settle(feed)

    async def wait_for_events(self) -> bool:
        """Wait until there is something to hand out; ``False`` when there will be nothing."""
        while not self.has_events:
            if self._closed:
                return False
            await self._wait()
        return True

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._more.set()

    def retire(self) -> None:
        """End the iteration without finishing what is in hand.

        For a handler that is cancelled: one that swallows the cancellation and asks for
        the next event has not finished the one before.
        """
        self._feed = None
        self.close()

    @property
    def has_events(self) -> bool:
        """Whether there is something to hand out."""
        return self._feed is not None and self._feed.taken < len(self._feed.values)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Any:
        feed = self._feed
        if feed is not None:
            feed.finished = feed.taken
            if time.perf_counter() > self._suspend_at:
                await asyncio.sleep(0)
                self._suspend_at = time.perf_counter() + _SLICE_SECONDS
        while True:
            feed = self._feed
            if feed is not None:
                while feed.taken < len(feed.values):
                    number = feed.taken
                    feed.taken = number + 1
                    if not feed.skip(number):
                        feed.since = time.perf_counter()
                        return feed.values[number]
                    feed.finished = feed.taken
                self._settle(feed)
            if self._closed:
                raise StopAsyncIteration
            await self._wait()

    def _settle(self, feed: Feed) -> None:
        if feed.finished >= len(feed.values) and self._feed is feed:
            self._feed = None
            self._on_finished(feed)

    async def _wait(self) -> None:
        self._more.clear()
        if self._feed is None and not self._closed:
            await self._more.wait()
