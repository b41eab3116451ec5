from __future__ import annotations

import subprocess
import sys

import pytest

from sabot.errors import ConfigurationError
from sabot.runtime.crash import CRASH_POINTS, arm, crash_point


def test_points_are_passed_unless_one_is_armed() -> None:
    arm(None)
    for name in CRASH_POINTS:
        crash_point(name)


@pytest.mark.parametrize("wanted", ["comitted", "committed:0", "committed:x", ":3"])
def test_what_names_no_point_is_refused(wanted: str) -> None:
    with pytest.raises(ConfigurationError, match="SABOT_CRASH_AT"):
        arm(wanted)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_process_dies_at_the_pass_that_was_asked_for() -> None:
    code = """
from sabot.runtime.crash import arm, crash_point
arm("committed:3")
for number in range(1, 5):
    crash_point("cut_begun")
    print(number, flush=True)
    crash_point("committed")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.split()) == (-9, ["1", "2", "3"])
