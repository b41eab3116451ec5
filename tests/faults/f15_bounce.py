"""F15: each of three brokers is bounced in turn, leaders and the controller among them."""

from __future__ import annotations

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial
from tests.faults.three_brokers import ThreeBrokers

NAMES = ("F15", "each of three brokers is killed or stopped in turn, and started again")


def run(lab: Lab) -> list[Outcome]:
    """Bounce brokers under load."""
    found: list[Outcome] = []
    for guarantee in GUARANTEES:
        with ThreeBrokers() as brokers:

            def bounce(job: Job, brokers: ThreeBrokers = brokers) -> None:
                job.worker().wait_ready()
                job.worker().wait_ready()
                with job.oracle.writing(lab.scaled(300, 300)):
                    for turn in range(lab.scaled(1, 5)):
                        for node in (1, 2, 3):
                            brokers.bounce(node, hard=turn % 2 == 0)
                            job.await_more(100)
                            job.rounds += 1

            found.append(trial(lab, guarantee, NAMES, bounce, kafka=brokers.kafka, within=120))
    return found
