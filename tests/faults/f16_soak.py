"""F16: a worker that idles, and then works, for a long time: what it holds must not grow."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import linear_regression

from tests.acceptance.command import Command
from tests.faults.job import EOS, Job
from tests.faults.lab import Lab
from tests.faults.lapse import lapse
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

_SAMPLE_SECONDS = 10.0
_WARM_UP = 0.2
_MOST_GROWTH = 1.0
"""Megabytes in ten minutes."""


@dataclass(slots=True)
class _Watched:
    """What a process held, sample by sample."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, pid: int) -> None:
        """Look at a process once."""
        status = Path(f"/proc/{pid}/status").read_text()
        said = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        self.seconds.append(time.monotonic())
        self.megabytes.append(int(said["VmRSS"].split()[0]) / 1024)
        self.threads.append(int(said["Threads"]))
        self.files.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))

    def judged(self, what: str) -> str:
        """Return the figures; raise where something grew."""
        first = int(len(self.seconds) * _WARM_UP)
        megabytes = self.megabytes[first:]
        slope = linear_regression(self.seconds[first:], megabytes).slope * 600
        threads, files = self.threads[first:], self.files[first:]
        text = (
            f"{what} for {(self.seconds[-1] - self.seconds[0]) / 60:.1f} min: "
            f"{min(megabytes):.0f} to {max(megabytes):.0f} MB resident, {slope:+.2f} MB in 10 min, "
            f"{min(threads)} to {max(threads)} threads, {min(files)} to {max(files)} open files"
        )
        assert slope < _MOST_GROWTH, f"memory grows: {text}"
        assert threads[-1] <= threads[0] + 1, f"threads grow: {text}"
        assert files[-1] <= files[0] + 4, f"open files grow: {text}"
        return text


def run(lab: Lab) -> list[Outcome]:
    """Idle, then work; memory, threads and open files stay as they are."""
    names = ("F16", f"{lab.minutes:g} minutes idle, {lab.minutes:g} under load")
    # Row 29 is about minutes: a shorter run says what it saw and judges nothing by it.
    return [trial(lab, EOS, names, partial(_soak, lab), store="rocksdb", within=120)]


def _soak(lab: Lab, job: Job) -> None:
    job.oracle.write(20_000)
    worker = job.worker()
    job.await_end(worker)
    for what in ("idle", "under load"):
        watched = _Watched()
        if what == "idle":
            _watch(lab, worker, watched)
        else:
            with job.oracle.writing(300):
                _watch(lab, worker, watched)
        job.notes.append(watched.judged(what) if lab.minutes >= 10 else _short(watched, what))
        job.rounds += 1


def _watch(lab: Lab, worker: Command, watched: _Watched) -> None:
    ends = time.monotonic() + lab.minutes * 60
    every = min(_SAMPLE_SECONDS, lab.minutes * 6)
    while time.monotonic() < ends:
        assert worker.code is None, f"the worker ended\n{worker}"
        watched.sample(worker.pid)
        lapse(every)
    watched.sample(worker.pid)


def _short(watched: _Watched, what: str) -> str:
    return (
        f"{what}: {max(watched.megabytes):.0f} MB resident, {max(watched.threads)} threads, "
        f"{max(watched.files)} open files at most; too short to judge growth"
    )
