"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["until"]

T = TypeVar("T")


def until(condition: Callable[[], T], *, what: str, timeout: float = 30, every: float = 0.02) -> T:
    """Return the first true value of ``condition``.

    Args:
        condition: Called again and again; its last value is shown where time runs out.
        what: What is waited for, for the message.
        timeout: Seconds until the test fails.
        every: Seconds between two calls.

    Raises:
        AssertionError: When time runs out.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"no {what} within {timeout:g} s; last: {value!r}"
        pause.wait(every)
    return value
