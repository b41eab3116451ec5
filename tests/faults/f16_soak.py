"""F16: a worker that idles, and then works, for long: does it grow?"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.command import Command
from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.lapse import lapse
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

MEMORY_SHARE = 0.1
MEMORY_MEGABYTES = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment."""

    megabytes: float
    threads: int
    files: int


def run(lab: Lab) -> list[Outcome]:
    """Idle and work for some minutes each."""
    names = ("F16", f"soak: {lab.minutes:g} min idle, {lab.minutes:g} min under load")

    def soak(job: Job) -> None:
        # Every code path once, so that what is loaded late is not taken for a leak.
        job.oracle.write(2000)
        worker = job.worker()
        job.await_end(worker)
        faults = _flat(job, worker, "idle", lab)
        with job.oracle.writing(1000):
            faults += _flat(job, worker, "load", lab)
        job.rounds += 1
        assert not faults, "; ".join(faults)

    return [trial(lab, guarantee, names, soak) for guarantee in GUARANTEES]


def _flat(job: Job, worker: Command, phase: str, lab: Lab) -> list[str]:
    """Watch a phase; return what grew in its last two thirds."""
    samples: list[Sample] = []
    ends = time.monotonic() + lab.minutes * 60
    while time.monotonic() < ends:
        lapse(lab.scaled(2, 10))
        assert worker.code is None, f"the worker ended\n{worker}"
        samples.append(_sample(worker.pid))
    warm = samples[len(samples) // 3 :]
    first, last = warm[0], warm[-1]
    job.notes.append(
        f"{phase}: {first.megabytes:.0f} to {last.megabytes:.0f} MB "
        f"(most {max(each.megabytes for each in warm):.0f}), {first.threads} to {last.threads} "
        f"threads, {first.files} to {last.files} files"
    )
    allowed = max(first.megabytes * MEMORY_SHARE, MEMORY_MEGABYTES)
    faults = []
    if last.megabytes - first.megabytes > allowed:
        faults.append(f"memory grew by {last.megabytes - first.megabytes:.0f} MB ({phase})")
    if last.threads > first.threads:
        faults.append(f"threads grew from {first.threads} to {last.threads} ({phase})")
    if last.files > first.files:
        faults.append(f"files grew from {first.files} to {last.files} ({phase})")
    return faults


def _sample(pid: int) -> Sample:
    folder = Path(f"/proc/{pid}")
    fields = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    return Sample(
        int(fields["VmRSS"].split()[0]) / 1024,
        int(fields["Threads"]),
        len(os.listdir(folder / "fd")),  # noqa: PTH208 - names are enough
    )
