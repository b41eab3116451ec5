"""The app under test: counts the records of each key. What it is told comes as ``JOB_*``."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import Any

import sabot
from sabot.actors import Backoff, RestartLimit
from sabot.runtime.settings import StateSettings, WorkerSettings

_told = os.environ
_row_seconds = float(_told.get("JOB_ROW_SECONDS", "0"))
_processing = _told.get("JOB_PROCESSING_TIMEOUT")
_stall = _told.get("JOB_STALL")
if _told.get("JOB_FILE_BYTES"):
    # A disk that is full: a file cannot grow beyond this.
    resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (int(_told["JOB_FILE_BYTES"]),))


def count(seen: int | None, row: dict[str, Any]) -> tuple[int | None, dict[str, Any] | None]:
    """Count a row under its key, and say which it is."""
    if row["id"] is None:
        # A tombstone is a row of nulls.
        return seen, None
    if _row_seconds:
        time.sleep(_row_seconds)
    if _stall is not None and row.get("stall"):
        if _stall == "kill":
            # As the kernel does where memory has run out.
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(_stall))
    now = (seen or 0) + 1
    return now, {"id": row["id"], "key": row["key"], "seq": row["seq"], "count": now}


app = sabot.App(
    _told["JOB_GROUP"],
    broker=_told["JOB_BROKER"],
    processing_guarantee=_told["JOB_GUARANTEE"],
    settings=WorkerSettings(
        state=StateSettings(
            store=_told["JOB_STORE"],  # type: ignore[arg-type]
            directory=_told["JOB_STATE"],
            policy=_told.get("JOB_POLICY", "refuse"),  # type: ignore[arg-type]
        ),
        broker_timeout_seconds=float(_told.get("JOB_BROKER_TIMEOUT", "120")),
        processing_timeout_seconds=float(_processing) if _processing else None,
        restart_backoff=Backoff(min_seconds=0.2, max_seconds=2.0),
        # Many faults in a row are the point here.
        restart_limit=RestartLimit(int(_told.get("JOB_RESTARTS", "100"))),
    ),
)
_options: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "auto_commit_interval_ms": int(_told.get("JOB_COMMIT_MS", "200")),
    "connect_timeout_seconds": 20.0,
}
if _told.get("JOB_PROTOCOL") == "consumer":
    _options["group_protocol"] = "consumer"
else:
    _options["session_timeout_ms"] = int(_told.get("JOB_SESSION_MS", "6000"))
    _options["heartbeat_interval_ms"] = 500
    if _told.get("JOB_PROTOCOL"):
        _options["partition_assignment_strategy"] = _told["JOB_PROTOCOL"]
if _told.get("JOB_DEAD"):
    _options |= {"error_handling_policy": "dead_letter", "dead_letter_topic": _told["JOB_DEAD"]}
_output: dict[str, Any] = {}
if _told.get("JOB_SOCKET_MS"):
    # How long a client waits for an answer.
    _options["request_timeout_ms"] = _output["request_timeout_ms"] = int(_told["JOB_SOCKET_MS"])
_rows = app.stream(_told["JOB_SOURCE"], **_options)
_rows.stateful(count, store="counts").to_kafka(app.broker, _told["JOB_TARGET"], **_output)
