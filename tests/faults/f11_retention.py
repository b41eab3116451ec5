"""F11: what is committed is older than what the input still has."""

from __future__ import annotations

import json
from functools import partial

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from tests.faults.job import EOS, GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import attempt

ENDS = ("F11", "records are deleted past the commit: the error names both offsets and a command")
GOES_ON = ("F11", "records are deleted past the commit: after that command it goes on")


def run(lab: Lab) -> list[Outcome]:
    """Delete records that were never read."""
    found: list[Outcome] = []
    for guarantee in lab.scaled((EOS,), GUARANTEES):
        with Job(lab.kafka, guarantee, lab.seed) as job:
            found.append(attempt(job, ENDS, partial(_ends, job)))
            if found[-1].passed:
                found.append(attempt(job, GOES_ON, partial(_goes_on, job)))
    return found


def _ends(job: Job) -> Outcome:
    """Say whether it ends, and says why."""
    job.oracle.write(1000)
    worker = job.worker()
    job.await_end(worker)
    worker.terminate()
    worker.ends(30)
    committed = job.kafka.committed(job.group, job.source)
    job.oracle.write(2000)
    firsts = {number: offset + 50 for number, offset in committed.items()}
    job.kafka.delete_records(job.source, firsts)
    job.rounds += 1
    either = "|".join(f"{committed[each]}, but the log holds {firsts[each]}" for each in firsts)
    says = (f"from offset ({either})", "sabot reset-offsets")
    return job.refused(*ENDS, job.worker(), *says)


def _goes_on(job: Job) -> Outcome:
    """Do as the error says, and say whether everything that is left comes out, once."""
    begins = job.kafka.begin_offsets(job.source)
    places = [TopicPartition(job.source, number, first) for number, first in begins.items()]
    asked = [ConsumerGroupTopicPartitions(job.group, places)]
    job.kafka.admin.alter_consumer_group_offsets(asked)[job.group].result(30)
    # A reset says nothing of state.
    worker = job.worker(policy="keep")
    job.await_end(worker)
    left = {json.loads(each.value() or b"")["id"] for each in job.kafka.read_all(job.source)}
    rows = [json.loads(each.value() or b"")["id"] for each in job.kafka.read_all(job.target)]
    lost = len(left - set(rows))
    repeats = len(rows) - len(set(rows))
    faults = [f"{lost} of those that were left are lost"] if lost else []
    faults += [f"{repeats} rows came out again"] if repeats else []
    job.notes[:] = [f"{len(left)} records were left"]
    return job.found(*GOES_ON, faults, lost=lost, duplicates=repeats)
