"""``sabot demo`` in a process: it ends by itself, adds up, and Ctrl-C ends it at any moment."""

from __future__ import annotations

import re
import sys

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_the_demo_ends_by_itself_and_adds_up() -> None:
    with Command("demo", "--seconds", "5") as demo:
        assert demo.ends(90) == ExitCode.OK, str(demo)
    written = re.search(r"^  transactions +([\d,]+) +([\d,]+) read", demo.out, re.MULTILINE)
    assert written is not None, str(demo)
    assert written[1] == written[2]
    assert int(written[1].replace(",", "")) > 1000
    assert re.search(r"in [1-9][\d,]*/s, out [1-9][\d,]*/s .* flagged [1-9]", demo.out), str(demo)
    assert demo.out.endswith("it adds up\n")
    assert "Traceback" not in demo.err


# By what it has printed: while it loads, waits for its partitions, works, and counts.
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process")
@pytest.mark.parametrize("moment", ["starting", "  1 s ", r"in [1-9]", "counted in the topics"])
def test_an_interrupt_at_any_moment_ends_it_cleanly(moment: str) -> None:
    with Command("demo", "--seconds", "4") as demo:
        demo.matches(moment)
        demo.interrupt()
        assert demo.ends(60) == ExitCode.OK, str(demo)
    assert "Traceback" not in demo.err
    assert "does not add up" not in demo.out
    assert demo.err.endswith("stopped\n") or "adds up\n" in demo.out, str(demo)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process")
def test_a_second_interrupt_ends_it_at_once() -> None:
    with Command("demo", "--seconds", "60") as demo:
        demo.matches(r"in [1-9]")
        demo.interrupt()
        demo.interrupt()
        assert demo.ends(10) in (ExitCode.INTERRUPTED, ExitCode.OK)
    assert "Traceback" not in demo.err
