"""A contender's process: started, read from outside, stopped, and accounted for."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ContenderProcess", "Snapshot", "Usage"]

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the process had used at a moment, by ``/proc``, all its threads included."""

    cpu_seconds: float
    minor_faults: int
    peak_rss_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process had used in all.

    CPU and faults are ``wait4``'s. The peak is the kernel's high-water mark at the last
    look before the end: ``wait4``'s own peak counts the parent's memory too, which the
    child shares until it becomes the contender.
    """

    exit_code: int
    cpu_seconds: float
    peak_rss_bytes: int
    minor_faults: int


class ContenderProcess:
    """One run of a contender.

    Its output goes to a log file, never to a pipe that could fill up and block it.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        self.log = log
        self._usage: Usage | None = None
        self._peak = 0
        with log.open("wb") as output:
            self.started = time.time()
            self._child = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def usage(self) -> Usage | None:
        """What it used in all; ``None`` while it runs."""
        if self._usage is None:
            self._reap(os.WNOHANG)
        return self._usage

    def snapshot(self) -> Snapshot | None:
        """Return what it has used so far; ``None`` once it has ended."""
        if self.usage is not None:
            return None
        folder = Path(f"/proc/{self._child.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        minor, user, system = int(fields[7]), int(fields[11]), int(fields[12])
        for line in (folder / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self._peak = int(line.split()[1]) * 1024
        return Snapshot((user + system) / _TICKS, minor, self._peak)

    def stop(self, by: signal.Signals, patience: float = 20.0) -> Usage:
        """Send ``by``, wait, and kill what has not ended after ``patience`` seconds."""
        if self.snapshot() is not None:
            self._child.send_signal(by)
        deadline = time.monotonic() + patience
        while self.usage is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._usage is None:
            self._child.kill()
            self._reap(0)
        assert self._usage is not None
        return self._usage

    def tail(self, lines: int = 12) -> str:
        """Return the end of its log, for the message that says why a run is void."""
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])

    def _reap(self, options: int) -> None:
        pid, status, used = os.wait4(self._child.pid, options)
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        self._child.returncode = code  # Popen must not wait for a pid that is gone
        self._usage = Usage(
            exit_code=code,
            cpu_seconds=used.ru_utime + used.ru_stime,
            peak_rss_bytes=self._peak,
            minor_faults=used.ru_minflt,
        )
