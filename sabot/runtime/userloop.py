"""The event loop on which users' coroutines run: agents' handlers and tasks.

It is the loop of whoever starts the worker: the command line's main thread, or a host
such as a notebook or a web server. Supervision never runs on it, so that a handler that
blocks it can be named by somebody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

__all__ = ["UserLoop"]


class UserLoop:
    """A loop that may not run yet; work for it waits until it does.

    Attributes:
        thread_id: The thread it runs on, where that is known.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self.thread_id: int | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop; from now on work is given to it."""
        self._loop = loop
        self.thread_id = threading.get_ident() if _runs_here(loop) else None
        self._ready.set()

    def detach(self) -> None:
        """Forget the loop; nothing is given to it any more."""
        self._ready.clear()
        self._loop = None

    @property
    def is_attached(self) -> bool:
        """Whether there is a loop."""
        return self._ready.is_set()

    @property
    def current(self) -> asyncio.AbstractEventLoop | None:
        """The loop, while there is one."""
        return self._loop

    def submit(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
        """Run a coroutine on the loop, from another thread.

        Raises:
            RuntimeError: If there is no loop.
        """
        loop = self._loop
        if loop is None:
            raise RuntimeError("the user loop is not running")
        return asyncio.run_coroutine_threadsafe(work(), loop)

    def wake(self, callback: Callable[[], Any]) -> None:
        """Call something on the loop soon; without a loop nothing happens."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
