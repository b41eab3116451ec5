"""Whether a domain that the broker failed may begin again, and when."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable

from sabot.actors import RestartLimit, RestartWindow
from sabot.errors import BrokerError, DeliveryError, RestartLimitError
from sabot.runtime.settings import WorkerSettings

__all__ = ["Restarts"]


class Restarts:
    """Counts how often each domain of a worker has begun again.

    Args:
        settings: The limit and the waits.
    """

    def __init__(self, settings: WorkerSettings) -> None:
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
        if not isinstance(error, BrokerError) or not (has_run or domain in self._attempts):
            return False
        if not (error.retriable or isinstance(error, DeliveryError)):
            return False
        return self._windows[domain].note(time.monotonic(), error)

    def delay(self, domain: Hashable) -> float:
        """Count another beginning; return the seconds to wait before it."""
        attempt = self._attempts[domain] = self._attempts.get(domain, -1) + 1
        return self._backoff.delay(attempt)

    def cause(self, domain: Hashable, name: str, error: BaseException) -> BaseException:
        """Return what to report where a domain does not begin again: the first cause."""
        window = self._windows[domain]
        if window.first_cause is None or window.failures < 2:
            return error
        first = window.first_cause
        lines = str(first).splitlines() or [""]
        limit = RestartLimitError(
            f"group {name!r} had to begin again {window.failures - 1} times; first cause: "
            f"{type(first).__name__}: {lines[0]}"
        )
        limit.__cause__ = first
        return limit
