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
from sabot.testing.processes import WorkerProcess
from sabot.testing.proxy import FaultProxy
from sabot.testing.rules import Rule

__all__ = [
    "Action",
    "FaultProxy",
    "ManualClock",
    "Rule",
    "WorkerProcess",
    "blackhole_response",
    "delay",
    "disconnect",
    "disconnect_after",
    "drop",
    "hold",
]
