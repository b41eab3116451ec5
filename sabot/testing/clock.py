"""A clock that a test moves by hand."""

from __future__ import annotations

import threading
import time

__all__ = ["ManualClock"]

_LOOK_AGAIN_SECONDS = 0.001
_REAL_TIME_LIMIT_SECONDS = 10.0


class ManualClock:
    """A clock that stands still until `advance` moves it.

    Whoever waits with a timeout sleeps until the awaited thing happens or the clock has
    been moved far enough. `wait_until_waiting` tells a test that a thread has got there,
    so that no test needs to guess how long a thread takes.

    Args:
        now: Seconds since the epoch at the start; the monotonic clock starts at 0.

    Example:
        >>> clock = ManualClock(now=1000.0)
        >>> clock.advance(2.5)
        >>> clock.monotonic(), clock.time()
        (2.5, 1002.5)
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._epoch = now
        self._now = 0.0
        self._changed = threading.Condition()
        self._waits: dict[object, tuple[float, threading.Condition | None]] = {}

    def monotonic(self) -> float:
        with self._changed:
            return self._now

    def time(self) -> float:
        return self._epoch + self.monotonic()

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds`` and wake whoever has waited long enough.

        Never call it while holding a lock that a waiting thread needs.
        """
        if seconds < 0:
            raise ValueError(f"a clock moves forwards only, not by {seconds!r} s")
        with self._changed:
            self._now += seconds
            due = [c for until, c in self._waits.values() if c is not None and until <= self._now]
        # Not under our own lock: a waiter holds the condition's lock when it enters.
        for condition in due:
            with condition:
                condition.notify_all()

    @property
    def pending(self) -> tuple[float, ...]:
        """Seconds that each timed wait still has to go, the shortest first."""
        with self._changed:
            return self._left()

    def wait_until_waiting(self, count: int = 1) -> None:
        """Return once ``count`` threads are in a wait that has a timeout.

        Raises:
            AssertionError: After ten seconds of real time.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: len(self._left()) >= count, _REAL_TIME_LIMIT_SECONDS
            ):
                raise AssertionError(f"{len(self._left())} threads wait on the clock, not {count}")

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None:
            return event.wait()
        ticket = self._enter(timeout, None)
        try:
            # An Event cannot be woken without being set, so this one has to look.
            while not event.is_set() and not self._is_over(ticket):
                time.sleep(_LOOK_AGAIN_SECONDS)
        finally:
            self._leave(ticket)
        return event.is_set()

    def wait_on(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        if timeout is None:
            return condition.wait()
        ticket = self._enter(timeout, condition)
        try:
            if not self._is_over(ticket):
                condition.wait()
            return not self._is_over(ticket)
        finally:
            self._leave(ticket)

    def _left(self) -> tuple[float, ...]:
        # A wait that is over may not have noticed yet; it is none any more.
        left = (until - self._now for until, _ in self._waits.values())
        return tuple(sorted(seconds for seconds in left if seconds > 0))

    def _enter(self, timeout: float, condition: threading.Condition | None) -> object:
        ticket = object()
        with self._changed:
            self._waits[ticket] = (self._now + timeout, condition)
            self._changed.notify_all()
        return ticket

    def _is_over(self, ticket: object) -> bool:
        with self._changed:
            return self._waits[ticket][0] <= self._now

    def _leave(self, ticket: object) -> None:
        with self._changed:
            del self._waits[ticket]
