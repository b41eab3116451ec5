"""F13: records that cannot be used, among those that can."""

from __future__ import annotations

import json

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome

NAMES = ("F13", "undecodable, no object, empty, tombstone, 900 kB, null key: dead letters")
HUGE = b'{"id": "' + b"x" * 900_000 + b'"}'


def run(lab: Lab) -> list[Outcome]:
    """Poison one record in a hundred."""
    return [_poison(lab, guarantee) for guarantee in GUARANTEES]


def _poison(lab: Lab, guarantee: str) -> Outcome:
    dead = lab.kafka.create_topic(lab.kafka.unique("dead"), 1)
    with Job(lab.kafka, guarantee, lab.seed, dead=dead) as job:
        turns: list[tuple[str | None, bytes | None]] = [
            ("k1", b"\xff\x00"),
            ("k2", b"[]"),
            ("k3", b""),
            ("k4", HUGE),
            ("k5", b"{"),
            (None, b'{"id": -1, "key": "", "seq": 0}'),
        ]
        tombstone: tuple[str, None] = ("k6", None)
        count = lab.scaled(2000, 50_000)
        records: list[tuple[str | None, bytes | None]] = []
        for number in range(count):
            key, seq = f"k{number % 50}", number // 50
            row = json.dumps({"id": number, "key": key, "seq": seq}).encode()
            records.append((key, row))
            if number % 100 == 99:
                turn = number // 100
                records.append(tombstone if turn % 7 == 6 else turns[turn % 7])
        bad = [
            value for _, value in records if value not in {row for _, row in records if _good(row)}
        ]
        job.kafka.produce(
            job.source, [value for _, value in records], keys=[key for key, _ in records]
        )
        worker = job.worker()
        try:
            job.await_end(worker)
        except AssertionError as error:
            return job.broken(*NAMES, error)
        rows = [json.loads(each.value() or b"{}") for each in job.kafka.read_all(job.target)]
        ids = [row.get("id") for row in rows]
        letters = [each.value() for each in job.kafka.read_all(dead)]
        job.rounds += len(bad)
        wrong = [row for row in rows if row.get("count") != row.get("seq", -1) + 1]
        lost = len(set(range(count)) - set(ids))
        faults = [f"{lost} records were lost"] if lost else []
        faults += [f"{len(wrong)} rows counted wrongly: {wrong[0]}"] if wrong else []
        wanted = sorted(value for value in bad if value is not None)
        if sorted(value for value in letters if value is not None) != wanted:
            faults.append(f"{len(letters)} dead letters for {len(bad)} bad records")
        job.notes.append(
            f"{len(records)} records, {len(bad)} of them bad, {len(letters)} dead letters"
        )
        return job.found(*NAMES, faults, lost=lost, duplicates=len(ids) - len(set(ids)))


def _good(value: bytes | None) -> bool:
    return (
        value is not None
        and value.startswith(b'{"id": ')
        and b'"seq"' in value
        and b"-1" not in value
    )
