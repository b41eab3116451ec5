"""What users and Sabot itself test with; public and shipped.

Names are imported when they are first used, so that a test run that needs none of them
pays for none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sabot.testing.actions import (
        Action,
        blackhole_response,
        delay,
        disconnect,
        disconnect_after,
        drop,
        hold,
    )
    from sabot.testing.clock import ManualClock
    from sabot.testing.driver import Driver, drive
    from sabot.testing.oracle import Fold, Oracle
    from sabot.testing.processes import WorkerProcess
    from sabot.testing.proxy import FaultProxy
    from sabot.testing.report import Disorder, Report, Stuck
    from sabot.testing.rules import Rule
    from sabot.testing.trace import Trace
    from sabot.testing.witness import Witness

__all__ = [
    "Action",
    "Disorder",
    "Driver",
    "FaultProxy",
    "Fold",
    "ManualClock",
    "Oracle",
    "Report",
    "Rule",
    "Stuck",
    "Trace",
    "Witness",
    "WorkerProcess",
    "blackhole_response",
    "delay",
    "disconnect",
    "disconnect_after",
    "drive",
    "drop",
    "hold",
]

_HOMES = {
    "Action": "sabot.testing.actions",
    "Disorder": "sabot.testing.report",
    "Driver": "sabot.testing.driver",
    "FaultProxy": "sabot.testing.proxy",
    "Fold": "sabot.testing.oracle",
    "ManualClock": "sabot.testing.clock",
    "Oracle": "sabot.testing.oracle",
    "Report": "sabot.testing.report",
    "Rule": "sabot.testing.rules",
    "Stuck": "sabot.testing.report",
    "Trace": "sabot.testing.trace",
    "Witness": "sabot.testing.witness",
    "WorkerProcess": "sabot.testing.processes",
    "blackhole_response": "sabot.testing.actions",
    "delay": "sabot.testing.actions",
    "disconnect": "sabot.testing.actions",
    "disconnect_after": "sabot.testing.actions",
    "drive": "sabot.testing.driver",
    "drop": "sabot.testing.actions",
    "hold": "sabot.testing.actions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sabot.testing' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
