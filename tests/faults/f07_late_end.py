"""F7: the end of a transaction is under way for so long that its client has given it up."""

from __future__ import annotations

from functools import partial

from sabot.testing import FaultProxy, hold
from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

HELD = "EndTxn is held until its client gives it up, and delivered amid later transactions"
AGAIN = "EndTxn is held, sent again by its client, and delivered amid the next transaction"


def run(lab: Lab) -> list[Outcome]:
    """Hold the end of a transaction."""
    found: list[Outcome] = []
    for guarantee in lab.scaled(GUARANTEES[:1], GUARANTEES):
        for done, body in lab.variants(((AGAIN, _sent_again), (HELD, _given_up))):
            with lab.proxy() as proxy:
                told = {"bootstrap": proxy.bootstrap, "socket_ms": 4000}
                late = partial(body, lab, proxy)
                found.append(trial(lab, guarantee, ("F7", done), late, **told))
    return found


def _given_up(lab: Lab, proxy: FaultProxy, job: Job) -> None:
    job.oracle.write(1000)
    job.worker().wait_ready()
    with job.oracle.writing(300):
        for _ in range(lab.scaled(1, 5)):
            job.await_more(100)
            producers = proxy.seen("InitProducerId")
            rule = proxy.on("EndTxn", hold(), times=None)
            rule.wait()
            # What is given up here is not used again: a new producer takes its place.
            proxy.wait_seen("InitProducerId", producers + 1, 120)
            rule.end()
            _deliver_late(proxy, job)


def _sent_again(lab: Lab, proxy: FaultProxy, job: Job) -> None:
    job.oracle.write(1000)
    job.worker().wait_ready()
    with job.oracle.writing(300):
        for _ in range(lab.scaled(1, 5)):
            job.await_more(100)
            ends = proxy.seen("EndTxn")
            proxy.on("EndTxn", hold()).wait()
            proxy.wait_seen("EndTxn", ends + 2, 60)
            _deliver_late(proxy, job)


def _deliver_late(proxy: FaultProxy, job: Job) -> None:
    job.await_more(300)
    assert proxy.held, "the end of the transaction was not held for long enough"
    produced = proxy.seen("Produce")
    proxy.wait_seen("Produce", produced + 1)
    proxy.release()
    job.await_more(300)
    job.rounds += 1
