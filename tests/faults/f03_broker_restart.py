"""F3: the only broker is killed, or stopped, and started again."""

from __future__ import annotations

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab, MortalBroker
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

NAMES = ("F3", "the broker is killed or stopped, and started again")


def run(lab: Lab) -> list[Outcome]:
    """Restart, with work in hand."""
    found: list[Outcome] = []
    for guarantee in lab.variants(GUARANTEES):
        with MortalBroker() as broker:

            def restart(job: Job, broker: MortalBroker = broker) -> None:
                job.worker().wait_ready()
                job.worker().wait_ready()
                for turn in range(lab.scaled(1, 5)):
                    job.oracle.write(3000)
                    job.await_more(500)
                    if turn % 2:
                        broker.stop()
                    else:
                        broker.kill()
                    broker.start()
                    job.oracle.write(1000)
                    job.rounds += 1

            found.append(
                trial(
                    lab, guarantee, NAMES, restart, kafka=broker.kafka, row_seconds=0.001, within=90
                )
            )
    return found
