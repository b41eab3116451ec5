"""F8: workers join and leave under load, by each of the group protocols."""

from __future__ import annotations

from functools import partial

from sabot.runtime.exit_codes import ExitCode
from tests.faults.job import ALOS, GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

PROTOCOLS = {"classic eager": "range", "cooperative": "cooperative-sticky", "consumer": "consumer"}


def run(lab: Lab) -> list[Outcome]:
    """Join and leave; nothing comes out twice, whatever is promised."""
    found: list[Outcome] = []
    for guarantee in lab.scaled((ALOS,), GUARANTEES):
        for protocol, told in PROTOCOLS.items():
            names = ("F8", f"graceful joins and leaves under load, protocol {protocol}")
            storm = partial(_storm, lab)
            found.append(trial(lab, guarantee, names, storm, repeats=False, protocol=told))
    return found


def _storm(lab: Lab, job: Job) -> None:
    job.oracle.write(1000)
    workers = [job.worker()]
    workers[0].wait_ready()
    with job.oracle.writing(lab.scaled(500, 2000)):
        for _ in range(lab.scaled(2, 20)):
            workers.append(job.worker())
            workers[-1].wait_ready(60)
            job.await_more(200)
            # The older one leaves, so that everything moves each time.
            leaving = workers.pop(0)
            leaving.terminate()
            code = leaving.ends(60)
            assert code == ExitCode.OK, f"left with {code}\n{leaving}"
            job.await_more(200)
            job.rounds += 1
