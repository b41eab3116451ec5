"""Notices a blocked event loop and says by whom."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from typing import Final

from sabot.clock import Clock, SystemClock
from sabot.logs import get_logger
from sabot.runtime.userloop import UserLoop

__all__ = ["LoopWatch"]

_AGAIN_SECONDS: Final = 30.0


class LoopWatch:
    """Asks the user loop for a sign of life, and names what keeps it from giving one.

    A handler that calls something that blocks (`time.sleep`, a client without ``async``)
    holds up every agent and task of the process. Nothing is lost by that: reading,
    heartbeats and commits have threads of their own. But nobody would know why the lag grows.

    Args:
        loop: The loop.
        seconds: How long it may take to answer.
        clock: What that is measured by.
    """

    def __init__(self, loop: UserLoop, seconds: float, *, clock: Clock | None = None) -> None:
        self._loop = loop
        self._seconds = seconds
        self._clock: Clock = clock or SystemClock()
        self._answered = threading.Event()
        self._asked_at: float | None = None
        self._warn_at = seconds
        self._log = get_logger("sabot.loop")
        self.blocked_count = 0

    @property
    def blocked_seconds(self) -> float | None:
        """For how long the loop has been blocked; ``None`` where it is not."""
        since = self._asked_at
        if since is None or self._answered.is_set():
            return None
        lasted = self._clock.monotonic() - since
        return lasted if lasted >= self._seconds else None

    def look(self) -> None:
        """Take the answer to the last question, or say that there is none; ask again."""
        asked_at = self._asked_at
        if asked_at is None or self._answered.is_set():
            self._warn_at = self._seconds
            self._ask()
            return
        if not self._runs:
            self._asked_at = None
            return
        lasted = self._clock.monotonic() - asked_at
        if lasted >= self._warn_at:
            if self._warn_at <= self._seconds:
                self.blocked_count += 1
            self._warn_at = lasted + _AGAIN_SECONDS
            self._log.warning(
                "event loop blocked; no agent and no task goes on",
                seconds=round(lasted, 1),
                running=self._running(),
                stack=self.stack(),
            )

    def _ask(self) -> None:
        if not self._runs:
            self._asked_at = None
            return
        self._answered.clear()
        self._asked_at = self._clock.monotonic()
        self._loop.wake(self._answer)

    def _answer(self) -> None:
        self._loop.thread_id = threading.get_ident()
        if self._warn_at > self._seconds and self._asked_at is not None:
            self._log.warning(
                "event loop goes on",
                blocked_seconds=round(self._clock.monotonic() - self._asked_at, 1),
            )
        self._answered.set()

    @property
    def _runs(self) -> bool:
        """Whether there is a loop that could answer: a host may have halted its own."""
        loop = self._loop.current
        return loop is not None and loop.is_running()

    def _running(self) -> str | None:
        loop = self._loop.current
        task = None if loop is None else asyncio.current_task(loop)
        return None if task is None else task.get_name()

    def stack(self) -> str:
        """Return what the loop's thread is doing, as lines of a traceback."""
        frame = sys._current_frames().get(self._loop.thread_id or 0)
        return "" if frame is None else "".join(traceback.format_stack(frame))
