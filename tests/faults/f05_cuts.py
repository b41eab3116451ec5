"""F5: all connections of two workers are cut, and refused for a while, again and again."""

from __future__ import annotations

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.lapse import lapse
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

NAMES = ("F5", "all connections are cut, and healed after up to 3 s")


def run(lab: Lab) -> list[Outcome]:
    """Cut and heal, under load."""
    chance = lab.chance("F5")
    found: list[Outcome] = []
    for guarantee in lab.variants(GUARANTEES):
        with lab.proxy() as proxy:

            def cut(job: Job, proxy=proxy) -> None:  # type: ignore[no-untyped-def]
                job.oracle.write(2000)
                workers = [job.worker(), job.worker()]
                for worker in workers:
                    worker.wait_ready()
                with job.oracle.writing(lab.scaled(500, 1000)):
                    for _ in range(lab.scaled(3, 50)):
                        proxy.cut()
                        lapse(chance.uniform(0.1, 3))
                        proxy.heal()
                        job.await_more(chance.randrange(1, 500))
                        job.rounds += 1

            found.append(trial(lab, guarantee, NAMES, cut, bootstrap=proxy.bootstrap))
    return found
