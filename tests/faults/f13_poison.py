"""F13: records that cannot be used, among those that can."""

from __future__ import annotations

import json
from functools import partial

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import attempt

NAMES = (
    "F13",
    "undecodable, no object, empty, 900 kB, null key: dead letters; tombstones among them",
)
HUGE = b'{"id": "' + b"x" * 900_000
KEYLESS = b'{"id": -1, "key": "", "seq": 0}'
POISON: tuple[tuple[str | None, bytes], ...] = (
    ("k1", b"\xff\x00"),
    ("k2", b"[]"),
    ("k3", b""),
    ("k4", HUGE),
    ("k5", b"{"),
    (None, KEYLESS),
)
KEYS = 50
EVERY = 100


def run(lab: Lab) -> list[Outcome]:
    """Poison one record in a hundred."""
    found: list[Outcome] = []
    for guarantee in GUARANTEES:
        dead = lab.kafka.create_topic(lab.kafka.unique("dead"), 1)
        with Job(lab.kafka, guarantee, lab.seed, dead=dead) as job:
            count = lab.scaled(2000, 50_000)
            found.append(attempt(job, NAMES, partial(_poison, job, dead, count)))
    return found


def _poison(job: Job, dead: str, count: int) -> Outcome:
    """Put poison among good records; each of the ones is to come out, and each of the other."""
    records: list[tuple[str | None, bytes | None]] = []
    bad: list[bytes] = []
    for number in range(count):
        key = f"k{number % KEYS}"
        row = {"id": number, "key": key, "seq": number // KEYS}
        records.append((key, json.dumps(row).encode()))
        if number % EVERY == EVERY - 1:
            records.append(("k6", None))
            records.append(POISON[number // EVERY % len(POISON)])
            bad.append(records[-1][1] or b"")
    job.kafka.produce(job.source, [row for _, row in records], keys=[key for key, _ in records])
    job.await_end(job.worker())
    job.rounds += len(bad)
    rows = [json.loads(each.value() or b"{}") for each in job.kafka.read_all(job.target)]
    letters = [each.value() for each in job.kafka.read_all(dead)]
    ids = [row.get("id") for row in rows]
    lost = len(set(range(count)) - set(ids))
    faults = [f"{lost} records were lost"] if lost else []
    strangers = [row for row in rows if not isinstance(row.get("seq"), int) or row["id"] < 0]
    faults += [f"{len(strangers)} rows of nothing: {strangers[0]}"] if strangers else []
    wrong = [row for row in rows if row not in strangers and row["count"] != row["seq"] + 1]
    faults += [f"{len(wrong)} rows counted wrongly: {wrong[0]}"] if wrong else []
    if sorted(each or b"" for each in letters) != sorted(bad):
        faults.append(f"{len(letters)} dead letters for {len(bad)} bad records")
    job.notes.append(f"{len(records)} records, {len(bad)} bad, {len(letters)} dead letters")
    return job.found(*NAMES, faults, lost=lost, duplicates=len(ids) - len(set(ids)))
