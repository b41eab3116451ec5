from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.signals import handle_signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")

_PROGRAM = """
import sys, threading
from sabot.runtime.signals import handle_signals

told = threading.Event()

def first(name):
    print(name, flush=True)
    told.set()

with handle_signals(first):
    print("ready", flush=True)
    {block}
print("over", flush=True)
"""


class Process:
    """A Python program that is told when to go on by signals."""

    def __init__(self, block: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(block=block)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        # First what was read along with the last line: communicate() does not know of it.
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        _, err = self._process.communicate(timeout=30)
        return self._process.returncode, out.strip(), err.strip()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate(timeout=30)


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_told_by_name_and_the_process_goes_on(
    number: signal.Signals, processes: list[Process]
) -> None:
    process = Process("told.wait()")
    processes.append(process)
    assert process.line() == "ready"
    process.send(number)
    assert process.line() == number.name
    assert process.end() == (0, "over", "")


def test_the_second_signal_ends_the_process_at_once(processes: list[Process]) -> None:
    process = Process("threading.Event().wait()")
    processes.append(process)
    assert process.line() == "ready"
    process.send(signal.SIGTERM)
    assert process.line() == "SIGTERM"
    process.send(signal.SIGINT)
    assert process.end() == (
        ExitCode.INTERRUPTED,
        "",
        "sabot: SIGINT again, ending at once",
    )


def test_a_signal_is_heard_though_the_main_thread_is_blocked_in_python(
    processes: list[Process],
) -> None:
    # No Python handler runs while this join lasts; the watcher hears of it all the same.
    process = Process("[None for _ in iter(told.is_set, True)]")
    processes.append(process)
    assert process.line() == "ready"
    process.send(signal.SIGTERM)
    assert process.line() == "SIGTERM"
    assert process.end()[0] == 0


def test_afterwards_everything_is_as_it_was() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    with handle_signals(lambda name: None):
        assert any(thread.name == "sabot-signals" for thread in threading.enumerate())
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.set_wakeup_fd(descriptor) == descriptor
    assert not any(thread.name == "sabot-signals" for thread in threading.enumerate())
