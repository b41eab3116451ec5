"""An agent's handler at work on the user loop, steered from the agent's thread."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final

from sabot.errors import HandlerStuckError, PlanError
from sabot.runtime.events import EventStream, Feed
from sabot.runtime.userloop import UserLoop

__all__ = ["Handler"]

_LETTING_GO_SECONDS: Final = 5.0
"""How long a cancelled handler has to end; one that blocks the loop never will."""


class Handler:
    """Runs a user's function over feeds; starts it anew where it returned or was let go.

    Args:
        name: The agent's name; also that of the task.
        function: Called with the stream of events.
        loop: Where it runs.

    Attributes:
        failure: What it last ended by; ``None`` after the next feed was given.
        news: Set when a feed is finished or the handler has failed; others may set it to
            wake whoever waits.
    """

    def __init__(self, name: str, function: Callable[..., Any], loop: UserLoop) -> None:
        self.failure: BaseException | None = None
        self.news = threading.Event()
        self._name = name
        self._function = function
        self._loop = loop
        self._stream: EventStream | None = None
        self._task: asyncio.Task[None] | None = None

    def give(self, feed: Feed, abandoned: Callable[[], bool]) -> None:
        """Put a feed before the handler, which is started where it does not run.

        Args:
            feed: The feed; what of it was handed out and not finished comes again.
            abandoned: Whether nobody waits for it any more.
        """
        self.failure = None
        self.news.clear()

        async def begin() -> None:
            if self._stream is None:
                self._stream = EventStream(lambda _: self.news.set())
            if feed.finished >= len(feed.values):
                self.news.set()
                return
            self._stream.put(feed)
            self._stream.rewind()
            if self._task is None:
                loop = asyncio.get_running_loop()
                self._task = loop.create_task(self._drive(self._stream), name=self._name)

        begun = self._loop.submit(begin)
        while True:
            try:
                # However long the loop is blocked: given up, it might begin all the same.
                begun.result(timeout=0.2)
            except FutureTimeoutError:
                if begun.done():
                    raise
                if abandoned():
                    begun.cancel()
                    return
            else:
                return

    def dismiss(self) -> None:
        """Cancel it, without waiting; what it has in hand is not finished."""
        self._loop.wake(self._dismiss)

    def let_go(self, where: str | None) -> None:
        """Cancel it and wait until it has ended; fine where it does not run.

        Args:
            where: The place of the event in hand, for the error.

        Raises:
            HandlerStuckError: If it does not end.
        """
        if self._task is None:
            return

        async def end() -> bool:
            task = self._dismiss()
            if task is None:
                return True
            _, running = await asyncio.wait([task], timeout=_LETTING_GO_SECONDS)
            return not running

        ended = self._loop.submit(end)
        try:
            done = ended.result(timeout=2 * _LETTING_GO_SECONDS)
        except FutureTimeoutError:
            done = False
        if not done:
            raise HandlerStuckError(
                f"the handler of agent {self._name!r} has {where or 'nothing'} in hand and neither "
                f"takes a cancellation nor comes back",
                step=self._name,
                where=where,
            )

    def _dismiss(self) -> asyncio.Task[None] | None:
        stream, task = self._stream, self._task
        self._stream = self._task = None
        # First the stream: a handler that swallows the cancellation must not go on.
        if stream is not None:
            stream.retire()
        if task is not None:
            task.cancel()
        return task

    async def _drive(self, stream: EventStream) -> None:
        try:
            while True:
                outcome = self._function(stream)
                if inspect.isasyncgen(outcome):
                    async for _ in outcome:
                        pass
                elif inspect.isawaitable(outcome):
                    await outcome
                else:
                    raise PlanError(
                        f"agent {self._name!r} must be an async function or async generator; it "
                        f"returned {type(outcome).__name__}"
                    )
                stream.acknowledge()
                if not await stream.wait_for_events():
                    return
        except BaseException as error:
            # One that was dismissed is nobody's business any more.
            if self._task is asyncio.current_task():
                self._task = None
                self.failure = error
                self.news.set()
