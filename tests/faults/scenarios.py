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
    f10_changelog,
    f11_retention,
    f12_disk,
    f13_poison,
    f14_handlers,
    f15_bounce,
    f16_soak,
    f17_many_kills,
    f18_restore_tail,
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
    "F10": f10_changelog.run,
    "F11": f11_retention.run,
    "F12": f12_disk.run,
    "F13": f13_poison.run,
    "F14": f14_handlers.run,
    "F15": f15_bounce.run,
    "F16": f16_soak.run,
    "F17": f17_many_kills.run,
    "F18": f18_restore_tail.run,
}
"""In the order of the report."""
