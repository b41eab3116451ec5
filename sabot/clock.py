"""Time as something that is handed in, so that tests need not wait for it."""

from __future__ import annotations

import threading
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Tells the time and waits; whoever waits in Sabot does so through one of these.

    All methods may be called from any thread.
    """

    def monotonic(self) -> float:
        """Return seconds that never go backwards; only differences mean anything."""
        ...

    def time(self) -> float:
        """Return seconds since the epoch; may jump when somebody sets the clock."""
        ...

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        """Wait until ``event`` is set, at most ``timeout`` seconds of this clock.

        Returns:
            Whether the event is set.
        """
        ...

    def wait_on(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        """Wait once on ``condition``, whose lock the caller holds.

        As with any condition the caller looks again afterwards: a wait may end early.

        Returns:
            False where the time ran out.
        """
        ...


class SystemClock:
    """The machine's own clock.

    Example:
        >>> clock = SystemClock()
        >>> clock.monotonic() <= clock.monotonic()
        True
        >>> clock.wait(threading.Event(), timeout=0)
        False
    """

    __slots__ = ()

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        return event.wait(timeout)

    def wait_on(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        return condition.wait(timeout)
