"""F14: a function hangs, blocks for longer than a session, or takes its process with it."""

from __future__ import annotations

import signal

from sabot.testing import Trace
from tests.faults.job import EOS, GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

STUCK_ID = 1500


def run(lab: Lab) -> list[Outcome]:
    """Have one record that brings the function down."""
    found: list[Outcome] = []
    for guarantee in lab.scaled((EOS,), GUARANTEES):
        names = (
            "F14",
            "a function hangs past processing_timeout: the worker ends, another goes on",
        )
        found.append(trial(lab, guarantee, names, _hang))
        names = ("F14", "a function sleeps 10 s with a session of 6 s: no other takes over")
        found.append(trial(lab, guarantee, names, _sleep, repeats=False))
        names = ("F14", "a function is killed with its process, as by the kernel: another goes on")
        found.append(trial(lab, guarantee, names, _kill))
    return found


def _feed(job: Job) -> None:
    job.oracle.write(3000, extra=_stalling)


def _stalling(trace: Trace) -> dict[str, bool]:
    return {"stall": True} if trace.id == STUCK_ID else {}


def _hang(job: Job) -> None:
    _feed(job)
    worker = job.worker(stall=600, processing_timeout=3)
    code = worker.ends(60)
    assert code > 0, f"ended with {code}\n{worker}"
    job.notes.append(f"ended with {code}")
    job.worker()
    job.rounds += 1


def _sleep(job: Job) -> None:
    _feed(job)
    job.worker(stall=10).wait_ready()
    job.rounds += 1


def _kill(job: Job) -> None:
    _feed(job)
    code = job.worker(stall="kill").ends(60)
    assert code == -signal.SIGKILL, f"ended with {code}"
    job.worker()
    job.rounds += 1
