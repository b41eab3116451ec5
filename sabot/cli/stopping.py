"""Signals that ask a command to end, as an event to wait for."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopSignal"]

_SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK")


class StopSignal:
    """Takes SIGINT and SIGTERM while it is entered; the second one acts as it used to.

    For the main thread, of a command without a worker: a worker takes signals itself.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a signal; ``False`` if none came within ``timeout`` seconds."""
        if timeout is not None:
            return self._asked.wait(timeout)
        # On Windows a wait without an end would not let the handler run.
        while not self._asked.wait(0.5):
            pass
        return True

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)
