"""All scenarios by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.faults import (
    f01_kill,
    f02_freeze,
    f03_broker_restart,
    f04_broker_gone,
    f05_cuts,
    f06_blackhole,
    f07_late_end,
    f08_join_leave,
    f09_crash_points,
)
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome

__all__ = ["SCENARIOS"]

SCENARIOS: Final[Mapping[str, Callable[[Lab], list[Outcome]]]] = {
    "F1": f01_kill.run,
    "F2": f02_freeze.run,
    "F3": f03_broker_restart.run,
    "F4": f04_broker_gone.run,
    "F5": f05_cuts.run,
    "F6": f06_blackhole.run,
    "F7": f07_late_end.run,
    "F8": f08_join_leave.run,
    "F9": f09_crash_points.run,
}
"""In the order of the report."""
