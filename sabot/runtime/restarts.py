"""Whether a domain that the broker failed may begin again, and when."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

from sabot.actors import RestartLimit, RestartWindow
from sabot.errors import (
    BrokerError,
    BrokerGoneError,
    BrokerUnavailableError,
    DeliveryError,
    PartitionLostError,
    ProducerFencedError,
    RestartLimitError,
)
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.watchdog import Watchdog

__all__ = ["Restarts"]

_MENDED = (DeliveryError, PartitionLostError, ProducerFencedError)
"""What does not pass by itself, and is mended by beginning again from the last commit."""


class Restarts:
    """Counts how often each domain of a worker has begun again.

    Args:
        settings: The limit and the waits.
        watchdogs: Who knows, of each domain, for how long its broker has been silent: that
            counts by the clock, over any number of attempts, and not against the limit.
    """

    def __init__(
        self, settings: WorkerSettings, watchdogs: Mapping[Any, Watchdog] | None = None
    ) -> None:
        self._watchdogs = watchdogs or {}
        limit: RestartLimit = settings.restart_limit
        self._backoff = settings.restart_backoff
        self._windows: dict[Hashable, RestartWindow] = defaultdict(lambda: RestartWindow(limit))
        self._attempts: dict[Hashable, int] = {}

    def allow(self, domain: Hashable, error: BaseException, *, has_run: bool) -> bool:
        """Return whether an error is the broker's and the limit is not reached.

        Args:
            domain: Which one; any name for it.
            error: What ended it.
            has_run: Whether it ever worked: what is wrong from the start is not retried.
        """
        if not isinstance(error, BrokerError) or not self._worked(domain, has_run):
            return False
        watchdog = self._watchdogs.get(domain)
        if isinstance(error, BrokerUnavailableError) and error.retriable and watchdog is not None:
            now = time.monotonic()
            watchdog.note_silence(now)
            return not watchdog.has_waited_long_enough(now)
        if not (error.retriable or isinstance(error, _MENDED)):
            return False
        return self._windows[domain].note(time.monotonic(), error)

    def delay(self, domain: Hashable) -> float:
        """Count another beginning; return the seconds to wait before it."""
        attempt = self._attempts[domain] = self._attempts.get(domain, -1) + 1
        return self._backoff.delay(attempt)

    def cause(
        self, domain: Hashable, name: str, error: BaseException, *, has_run: bool = True
    ) -> BaseException:
        """Return what to report where a domain does not begin again: the first cause."""
        watchdog = self._watchdogs.get(domain)
        if (
            isinstance(error, BrokerUnavailableError)
            and watchdog is not None
            and self._worked(domain, has_run)
        ):
            return error if isinstance(error, BrokerGoneError) else _gone(watchdog, name, error)
        window = self._windows[domain]
        if window.first_cause is None or window.failures < 2:
            return error
        limit = RestartLimitError(
            f"group {name!r} had to begin again {window.failures - 1} times; first cause: "
            f"{_line(window.first_cause)}"
        )
        limit.__cause__ = window.first_cause
        return limit

    def _worked(self, domain: Hashable, has_run: bool) -> bool:
        return has_run or domain in self._attempts


def _gone(watchdog: Watchdog, name: str, error: BaseException) -> BaseException:
    silent = watchdog.silent_for(time.monotonic()) or 0.0
    gone = BrokerGoneError(
        f"the broker of group {name!r} did not answer for {silent:.0f} s, which is "
        f"broker_timeout_seconds; at last: {_line(error)}"
    )
    gone.__cause__ = error
    return gone


def _line(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
