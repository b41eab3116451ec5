"""F6: one way goes dark amid a transaction for longer than the broker keeps it open."""

from __future__ import annotations

from functools import partial

from sabot.testing import FaultProxy, blackhole_response, drop
from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.lapse import lapse
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

STEPS = (("commit", "EndTxn"), ("send_offsets", "TxnOffsetCommit"), ("produce", "Produce"))


def run(lab: Lab) -> list[Outcome]:
    """Make each step of a transaction last too long, one way and the other."""
    found: list[Outcome] = []
    for guarantee in lab.scaled(GUARANTEES[:1], GUARANTEES):
        for step, api in lab.variants(STEPS):
            with lab.proxy() as proxy:
                names = ("F6", f"one-way blackhole of 12 s (transaction.timeout 10 s) in {step}")
                go_dark = partial(_go_dark, lab, proxy, api)
                found.append(trial(lab, guarantee, names, go_dark, bootstrap=proxy.bootstrap))
    return found


def _go_dark(lab: Lab, proxy: FaultProxy, api: str, job: Job) -> None:
    """Put out what a worker sends, or what it is answered; another one may take over."""
    job.oracle.write(1000)
    job.worker().wait_ready()
    job.worker(broker=job.kafka.bootstrap).wait_ready()
    with job.oracle.writing(300):
        for turn in range(lab.scaled(1, 4)):
            job.await_more(100)
            outbound = turn % 2 == 1
            action = drop() if outbound else blackhole_response()
            proxy.on(api, action).wait()
            proxy.blackhole("to_broker" if outbound else "to_client")
            lapse(12)
            proxy.heal()
            job.await_more(500)
            job.rounds += 1
