"""F12: the state directory cannot be written, from the start or from some point on."""

from __future__ import annotations

from tests.faults.job import EOS, GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

READ_ONLY = ("F12", "the state directory cannot be made: a clear error")
FULL = ("F12", "the disk is full (files of 32 kB at most): the worker ends, another goes on")


def run(lab: Lab) -> list[Outcome]:
    """Have no disk, and too little of it."""
    found: list[Outcome] = []
    for guarantee in lab.scaled((EOS,), GUARANTEES):
        with Job(lab.kafka, guarantee, lab.seed, store="rocksdb") as job:
            job.oracle.write(100)
            # Not even root can make something there.
            worker = job.worker(state="/proc/1/sabot-state")
            job.rounds += 1
            found.append(job.refused(*READ_ONLY, worker, "sabot-state"))
        found.append(trial(lab, guarantee, FULL, _fill, store="rocksdb"))
    return found


def _fill(job: Job) -> None:
    job.oracle.write(60_000, keys=40_000)
    worker = job.worker(file_bytes=32_768)
    code = worker.ends(60)
    assert code > 0, f"ended with {code}\n{worker}"
    job.notes.append(f"ended with {code}")
    job.worker().wait_ready()
    job.rounds += 1
