"""F17: many records, workers killed at random points, and the disk of some of them wiped."""

from __future__ import annotations

import shutil

from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial


def run(lab: Lab) -> list[Outcome]:
    """Kill at random points of the input."""
    records = lab.scaled(20_000, 300_000)
    kills, wipes = lab.scaled((3, 1), (10, 2))
    chance = lab.chance("F17")
    points = sorted(chance.randrange(records // 50, records * 9 // 10) for _ in range(kills))
    wiped = set(chance.sample(range(kills), wipes))
    names = ("F17", f"kill -9 at {kills} random points, disk wiped at {wipes} of them, RocksDB")

    def kill(job: Job) -> None:
        job.oracle.write(records, keys=5000)
        folders = [job.folder / "first", job.folder / "second"]
        workers = [job.worker(state=folder) for folder in folders]
        for turn, point in enumerate(points):
            job.await_committed(point)
            which = chance.randrange(2)
            workers[which].kill()
            workers[which].ends(10)
            if turn in wiped:
                shutil.rmtree(folders[which])
            workers[which] = job.worker(state=folders[which])
            job.rounds += 1

    told = {"store": "rocksdb", "row_seconds": 0.0001}
    return [trial(lab, guarantee, names, kill, within=300, **told) for guarantee in GUARANTEES]
