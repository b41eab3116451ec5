"""F7: the end of a transaction is under way for so long that its client has given it up."""

from __future__ import annotations

from functools import partial

from sabot.testing import FaultProxy, hold
from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

NAMES = ("F7", "EndTxn is held, given up by its client, and delivered amid later transactions")


def run(lab: Lab) -> list[Outcome]:
    """Hold the end of a transaction."""
    found: list[Outcome] = []
    for guarantee in lab.scaled(GUARANTEES[:1], GUARANTEES):
        with lab.proxy() as proxy:
            late = partial(_late, lab, proxy)
            told = {"bootstrap": proxy.bootstrap, "socket_ms": 4000}
            found.append(trial(lab, guarantee, NAMES, late, **told))
    return found


def _late(lab: Lab, proxy: FaultProxy, job: Job) -> None:
    job.oracle.write(1000)
    job.worker().wait_ready()
    with job.oracle.writing(300):
        for _ in range(lab.scaled(1, 5)):
            job.await_more(100)
            producers = proxy.seen("InitProducerId")
            proxy.on("EndTxn", hold()).wait()
            # What is given up here is not used again: a new producer takes its place.
            proxy.wait_seen("InitProducerId", producers + 1, 60)
            job.await_more(300)
            assert proxy.held, "the end of the transaction was not held long enough"
            proxy.release()
            job.await_more(300)
            job.rounds += 1
