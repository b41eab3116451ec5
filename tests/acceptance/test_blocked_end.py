"""A process whose event loop never comes back ends all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.acceptance.command import ROOT

pytestmark = pytest.mark.slow

SCRIPT = """
import threading
import time

from sabot import App
from sabot.logs import configure_logs

configure_logs("json", "info")
app = App("stuck")
blocked = threading.Event()

@app.task
async def blocks():
    blocked.set()
    time.sleep(3600)

@app.task
def fails():
    blocked.wait()
    raise ValueError("the first cause")

app.run()
"""


def test_a_loop_that_never_comes_back_does_not_keep_a_process_that_has_failed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the event loop does not come back" in done.stderr
    assert "in blocks" in done.stderr  # the stack
    assert "the first cause" in done.stderr
