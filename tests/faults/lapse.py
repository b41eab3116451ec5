"""Letting a fault last."""

from __future__ import annotations

import threading

__all__ = ["lapse"]


def lapse(seconds: float) -> None:
    """Return after so long: the length of a fault, never a guess at when something is done."""
    threading.Event().wait(seconds)
