"""What users and Sabot itself test with; public and shipped."""

from __future__ import annotations

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
    "drop",
    "hold",
]
