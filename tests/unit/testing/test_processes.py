from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sabot.testing import WorkerProcess
from tests.until import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

COUNTING = "import time\nfor n in range(10**6): print(n); time.sleep(0.01)"
PARENT = f"""
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", {COUNTING!r}]) for _ in range(2)]
print("two children", flush=True)
time.sleep(600)
"""


def python(code: str, **options: str | None) -> WorkerProcess:
    return WorkerProcess([sys.executable, "-c", code], environment=options)


def runs(pid: int) -> bool:
    """Whether a process lives; one that nobody has reaped does not."""
    asked = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return state != "" and not state.startswith("Z")


def test_what_it_prints_can_be_waited_for_and_is_kept() -> None:
    with python("import sys; print('one'); print('two', file=sys.stderr); print('one more')") as p:
        assert p.line("one", count=2) == "one more"
        assert p.matches("t.o") == "two"
        assert p.ends() == 0
        assert (p.out, p.err) == ("one\none more\n", "two\n")
        with pytest.raises(AssertionError, match=r"ended without 'three'(.|\n)*one more"):
            p.line("three")


def test_waiting_ends_with_all_that_was_printed() -> None:
    with python("print('here', flush=True); input(); import time; time.sleep(600)") as process:
        process.ends()
    with python("import time; print('here', flush=True); time.sleep(600)") as process:
        process.line("here")
        with pytest.raises(AssertionError, match=r"no 'there' in 0.1 s(.|\n)*here"):
            process.line("there", timeout=0.1)
        with pytest.raises(AssertionError, match=r"still runs after 0.1 s(.|\n)*here"):
            process.ends(timeout=0.1)


def test_a_frozen_process_does_nothing_until_it_is_thawed() -> None:
    with python(COUNTING) as process:
        process.line("5")
        process.freeze()
        # What was in the pipe has arrived once nothing new does.
        until(lambda: stands_still(process), what="a process that stands still")
        so_far = len(process.out.splitlines())
        process.thaw()
        process.line(str(so_far + 5))


def stands_still(process: WorkerProcess) -> bool:
    before = process.out
    try:
        process.line("nothing like this", timeout=0.3)
    except AssertionError:
        return process.out == before
    return False


def test_a_killed_process_says_so_by_its_code() -> None:
    with python(COUNTING) as process:
        process.line("1")
        assert process.code is None
        process.kill()
        assert process.ends() == -signal.SIGKILL


def test_one_child_can_be_killed_and_the_rest_end_with_the_block() -> None:
    with python(PARENT) as process:
        process.line("two children")
        first, second = process.children()
        process.kill(first)
        until(lambda: process.children() == [second], what="one child less")
        process.freeze(second)
    assert process.ends() == -signal.SIGKILL
    until(lambda: not runs(second), what="no child")


def test_children_of_a_process_that_has_ended_end_with_the_block() -> None:
    with python(PARENT) as process:
        process.line("two children")
        children = process.children()
        process.kill()
        until(lambda: process.code is not None, what="an end")
    until(lambda: not any(runs(pid) for pid in children), what="no children")


def test_a_variable_can_be_given_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONE", "x")
    code = "import os; print(os.environ.get('GONE'), os.environ['GIVEN'])"
    with python(code, GONE=None, GIVEN="y") as process:
        assert process.line("y") == "None y"


def test_sabot_itself_is_run_by_the_same_python(tmp_path: Path) -> None:
    with WorkerProcess.sabot("--version", cwd=tmp_path) as process:
        assert process.line("0.1.0")
        assert process.ends() == 0
