"""Functions that run beside the pipelines, from start to stop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from sabot.runtime.userloop import UserLoop

__all__ = ["TaskGroup"]


class TaskGroup:
    """Starts tasks, hears of their failures, cancels them.

    Args:
        tasks: Coroutine functions run on the user loop and are cancelled there; other
            functions run on a daemon thread each, which cannot be cancelled.
        loop: The user loop.
        on_failure: Called with the error of a task that raises.
    """

    def __init__(
        self,
        tasks: Sequence[Callable[[], Awaitable[Any] | Any]],
        loop: UserLoop,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._tasks = list(tasks)
        self._loop = loop
        self._on_failure = on_failure
        self._running: list[Future[Any]] = []

    def start(self) -> None:
        """Start all of them."""
        for task in self._tasks:
            if inspect.iscoroutinefunction(task):
                future = self._loop.submit(task)
                future.add_done_callback(self._done)
                self._running.append(future)
            else:
                thread = threading.Thread(
                    target=self._call, args=(task,), name=f"sabot-task-{_name(task)}", daemon=True
                )
                thread.start()

    def stop(self) -> None:
        """Cancel those that run on the loop."""
        for future in self._running:
            future.cancel()

    def _call(self, task: Callable[[], Any]) -> None:
        try:
            task()
        except BaseException as error:
            self._on_failure(error)

    def _done(self, future: Future[Any]) -> None:
        try:
            error = future.exception()
        except (CancelledError, asyncio.CancelledError):
            return
        if error is not None:
            self._on_failure(error)


def _name(task: object) -> str:
    return str(getattr(task, "__name__", type(task).__name__))
