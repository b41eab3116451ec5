"""F4: the broker goes for long: readiness says so, the worker comes back or ends."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

from scripts.kafka import free_ports
from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab, MortalBroker
from tests.faults.lapse import lapse
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial
from tests.until import until


def run(lab: Lab) -> list[Outcome]:
    """Take the broker away for a while, and then for longer than a worker bears."""
    found: list[Outcome] = []
    for guarantee in lab.scaled(GUARANTEES[:1], GUARANTEES):
        with MortalBroker() as broker:
            for seconds in lab.scaled((20,), (70, 180)):
                found.append(_away(lab, guarantee, broker, seconds))
            if not lab.quick:
                found.append(_given_up(lab, guarantee, broker))
    return found


def _away(lab: Lab, guarantee: str, broker: MortalBroker, seconds: float) -> Outcome:
    def take_away(job: Job) -> None:
        (port,) = free_ports(1)
        worker = job.worker("--web-port", str(port))
        worker.wait_ready()
        until(lambda: _ready(port) == 200, what="readiness")
        job.oracle.write(3000)
        job.await_more(500)
        broker.kill()
        until(lambda: _ready(port) == 503, what="503 of /ready", timeout=15)
        lapse(seconds)
        assert worker.code is None, f"it ended\n{worker}"
        broker.start()
        until(lambda: _ready(port) == 200, what="readiness once the broker is back", timeout=30)
        job.oracle.write(1000)
        job.rounds += 1

    names = ("F4", f"the broker is gone for {seconds:g} s; /ready says 503 within 15 s, then 200")
    return trial(
        lab,
        guarantee,
        names,
        take_away,
        kafka=broker.kafka,
        row_seconds=0.001,
        broker_timeout=300,
    )


def _given_up(lab: Lab, guarantee: str, broker: MortalBroker) -> Outcome:
    def take_away(job: Job) -> None:
        worker = job.worker(broker_timeout=lab.scaled(5, 30))
        worker.wait_ready()
        job.oracle.write(3000)
        job.await_more(500)
        broker.kill()
        gone = time.monotonic()
        # What is under way is given up first: a cut, and what was to be drained.
        code = worker.ends(120)
        assert code > 0, f"ended with {code}\n{worker}"
        job.notes.append(f"ended with {code} after {time.monotonic() - gone:.0f} s")
        broker.start()
        job.worker()
        job.rounds += 1

    names = ("F4", "the broker is gone past broker_timeout: the worker ends, another goes on")
    return trial(lab, guarantee, names, take_away, kafka=broker.kafka, row_seconds=0.001)


def _ready(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
