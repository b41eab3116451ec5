"""F1: one of three workers is killed, and another one started, again and again."""

from __future__ import annotations

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

NAMES = ("F1", "kill -9 of one of three workers, under load")


def run(lab: Lab) -> list[Outcome]:
    """Kill, again and again."""
    chance = lab.chance("F1")

    def kill(job: Job) -> None:
        job.oracle.write(5000)
        workers = [job.worker() for _ in range(3)]
        job.await_more(1)
        with job.oracle.writing(lab.scaled(500, 2000)):
            for _ in range(lab.scaled(2, 20)):
                job.await_more(chance.randrange(200, 1500))
                number = chance.randrange(3)
                workers[number].kill()
                workers[number] = job.worker()
                job.rounds += 1

    return [trial(lab, guarantee, NAMES, kill) for guarantee in GUARANTEES]
