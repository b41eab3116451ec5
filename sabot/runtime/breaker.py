"""Notices that nothing but failures has come for a while.

A policy that skips or dead-letters records is meant for the few bad ones among many. When
every record fails, for a minute, it is not the records: the wrong codec, a step that can
no longer work. Going on would empty the topic into nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Breaker"]

_SECONDS = 60.0
_RECORDS = 100


@dataclass(slots=True)
class Breaker:
    """Counts, step by step, failures without a success in between.

    Example:
        >>> breaker = Breaker()
        >>> [breaker.failed("map-1", now) for now in (0.0, 30.0)]
        [False, False]
        >>> any(breaker.failed("map-1", 61.0) for _ in range(100))
        True
        >>> breaker.succeeded("map-1")
        >>> breaker.failed("map-1", 62.0)
        False
    """

    _streaks: dict[str, tuple[float, int]] = field(default_factory=dict)

    def failed(self, step: str, now: float) -> bool:
        """Count a record that a step could not take; return whether to stop.

        That is once at least 100 in a row have failed over at least 60 seconds.
        """
        since, count = self._streaks.get(step, (now, 0))
        self._streaks[step] = (since, count + 1)
        return count + 1 >= _RECORDS and now - since >= _SECONDS

    def succeeded(self, step: str) -> None:
        """Note that a step has taken a record."""
        if self._streaks:
            self._streaks.pop(step, None)
