"""F18: many keys on disk and kill -9: the restart reads the tail of the changelog, not all."""

from __future__ import annotations

from tests.faults.job import GUARANTEES, Job, restored_records
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

COMMIT_SECONDS = 1.0
RECORDS_A_SECOND = 1000


def run(lab: Lab) -> list[Outcome]:
    """Kill a worker with a large store amid commits."""
    keys = lab.scaled(20_000, 1_000_000)
    names = ("F18", f"kill -9 with {keys:,} keys in RocksDB; the restart reads the tail alone")

    def kill(job: Job) -> None:
        # So many names that hardly any is drawn twice.
        job.oracle.write(keys, keys=1 << 40)
        worker = job.worker("--slot", "one", "--static-membership")
        job.await_end(worker, timeout=600)
        with job.oracle.writing(RECORDS_A_SECOND):
            job.await_more(int(3 * COMMIT_SECONDS * RECORDS_A_SECOND), worker)
            worker.kill()
        again = job.worker("--slot", "one", "--static-membership")
        job.await_end(again)
        read = restored_records(again)
        assert read, f"it does not say what it restored\n{again}"
        restored = sum(read)
        most = 2 * COMMIT_SECONDS * RECORDS_A_SECOND
        job.notes.append(f"{restored} changelog records of {len(read)} partitions read again")
        assert restored < most, f"{restored} read again, which is not below {most:g}"
        job.rounds += 1

    told = {"store": "rocksdb", "commit_ms": int(COMMIT_SECONDS * 1000)}
    return [trial(lab, guarantee, names, kill, within=120, **told) for guarantee in GUARANTEES]
