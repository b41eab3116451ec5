"""Crash points: places where a process can be told to die, for tests of what survives.

``SABOT_CRASH_AT=<name>`` kills the process, as SIGKILL does, when it passes the point of
that name for the first time; ``<name>:<n>`` at the n-th. Unless that is set, a point
costs one comparison.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field

from sabot.errors import ConfigurationError, nearest

__all__ = ["CRASH_POINTS", "VARIABLE", "arm", "crash_point"]

VARIABLE = "SABOT_CRASH_AT"

CRASH_POINTS = (
    "cut_begun",
    "actors_reported",
    "outputs_delivered",
    "transaction_begun",
    "changelog_written",
    "outputs_written",
    "offsets_sent",
    "committed",
    "state_folded",
    "revoke_begun",
    "released",
)
"""All points, in the order a checkpoint passes them; the last two are those of a rebalance."""


@dataclass(slots=True)
class _Armed:
    """The point to die at, and how often it may be passed before."""

    name: str
    passes: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reached(self) -> bool:
        with self.lock:
            self.passes -= 1
            return self.passes <= 0


class _State:
    armed: _Armed | None = None


def arm(wanted: str | None) -> None:
    """Take what ``SABOT_CRASH_AT`` says; nothing, or an empty text, disarms.

    Raises:
        ConfigurationError: If there is no such point, or the number is none.

    Example:
        >>> arm("comitted")
        Traceback (most recent call last):
        ...
        sabot.errors.ConfigurationError: SABOT_CRASH_AT names no crash point: 'comitted'; did you \
mean 'committed'?
    """
    _State.armed = None
    if not wanted:
        return
    name, _, count = wanted.partition(":")
    if name not in CRASH_POINTS:
        raise ConfigurationError(
            f"{VARIABLE} names no crash point: {name!r}{nearest(name, CRASH_POINTS)}"
        )
    if count and not (count.isdecimal() and int(count) > 0):
        raise ConfigurationError(f"{VARIABLE} is {wanted!r}; allowed: a name, or name:n with n > 0")
    _State.armed = _Armed(name, int(count or 1))


def crash_point(name: str) -> None:
    """Die here if this is the point that was asked for."""
    armed = _State.armed
    if armed is None or armed.name != name or not armed.reached():
        return
    _die()


def _die() -> None:  # pragma: no cover - nobody lives to count it
    kill = getattr(signal, "SIGKILL", None)
    if kill is not None:
        os.kill(os.getpid(), kill)
    os._exit(137)
