"""F11: what is committed is older than what the input still has."""

from __future__ import annotations

import json

from tests.faults.job import EOS, GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome


def run(lab: Lab) -> list[Outcome]:
    """Delete records that were never read."""
    found: list[Outcome] = []
    for guarantee in lab.scaled((EOS,), GUARANTEES):
        with Job(lab.kafka, guarantee, lab.seed, reset="") as job:
            _begin(job)
            committed, first = _delete(job)
            says = (str(committed), str(first), "auto_offset_reset|sabot ")
            names = ("F11", "records are deleted past the commit: the error names both offsets")
            found.append(job.refused(*names, job.worker(), *says))
        with Job(lab.kafka, guarantee, lab.seed) as job:
            _begin(job)
            _delete(job)
            found.append(_goes_on(job))
    return found


def _begin(job: Job) -> None:
    """Have records read and committed; without a reset a new group would not begin."""
    job.oracle.write(1000)
    worker = job.worker(reset="earliest")
    job.await_end(worker)
    worker.terminate()
    worker.ends(30)


def _delete(job: Job) -> tuple[int, int]:
    """Delete past the commit; return committed and first offset of the first partition."""
    job.oracle.write(2000)
    committed = job.kafka.committed(job.group, job.source)
    firsts = {number: offset + 50 for number, offset in committed.items()}
    job.kafka.delete_records(job.source, firsts)
    job.rounds += 1
    number = min(committed)
    return committed[number], firsts[number]


def _goes_on(job: Job) -> Outcome:
    """Say whether everything that is left comes out, once."""
    worker = job.worker()
    job.await_end(worker)
    left = {json.loads(each.value())["id"] for each in job.kafka.read_all(job.source)}
    rows = [json.loads(each.value())["id"] for each in job.kafka.read_all(job.target)]
    lost = len(left - set(rows))
    names = ("F11", "records are deleted past the commit, with auto_offset_reset=earliest")
    repeats = len(rows) - len(set(rows))
    job.notes.append("lost: of those that were left")
    return job.found(*names, ["records were lost"] if lost else [], lost=lost, duplicates=repeats)
