"""F2: a worker is frozen past its session, others take over, and it goes on as a zombie."""

from __future__ import annotations

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.lapse import lapse
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

NAMES = ("F2", "freeze one of two workers past its session (6 s), then let it go on")


def run(lab: Lab) -> list[Outcome]:
    """Freeze one, and then the other."""
    chance = lab.chance("F2")

    def freeze(job: Job) -> None:
        job.oracle.write(2000)
        workers = [job.worker(), job.worker()]
        for worker in workers:
            worker.wait_ready()
        with job.oracle.writing(lab.scaled(500, 2000)):
            for turn in range(lab.scaled(1, 6)):
                job.await_more(chance.randrange(100, 1000))
                workers[turn % 2].freeze()
                lapse(lab.scaled(8, 15))
                workers[turn % 2].thaw()
                job.await_more(1000)
                job.rounds += 1

    return [trial(lab, guarantee, NAMES, freeze) for guarantee in lab.variants(GUARANTEES)]
