"""All scenarios by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.faults import f01_kill, f09_crash_points
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome

__all__ = ["SCENARIOS"]

SCENARIOS: Final[Mapping[str, Callable[[Lab], list[Outcome]]]] = {
    "F1": f01_kill.run,
    "F9": f09_crash_points.run,
}
"""In the order of the report."""
