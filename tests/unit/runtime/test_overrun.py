from __future__ import annotations

import subprocess
import sys
import threading

from sabot.runtime.overrun import Overrun

PROGRAM = """
import threading
from sabot.runtime.overrun import Overrun

def stuck_here():
    threading.Event().wait()

overrun = Overrun({seconds})
overrun.begin(1)
overrun.begin(5)
stuck_here()
"""


def test_a_process_that_does_not_end_is_ended_and_says_what_it_was_doing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(seconds=0.2)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 5
    assert "still not at the end 0.2 s after it was to stop" in done.stderr
    assert "stuck_here" in done.stderr


def test_one_that_has_ended_in_time_is_left_alone() -> None:
    with Overrun(3600) as overrun:
        overrun.begin(5)
        assert "sabot-overrun" in {thread.name for thread in threading.enumerate()}
    assert "sabot-overrun" not in {thread.name for thread in threading.enumerate()}


def test_without_a_stop_there_is_no_clock() -> None:
    with Overrun(0.0):
        assert "sabot-overrun" not in {thread.name for thread in threading.enumerate()}
