"""F9: a worker dies at every step of a checkpoint, one after the other."""

from __future__ import annotations

import signal

from sabot.runtime.crash import CRASH_POINTS
from tests.faults.job import GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import trial

NAMES = ("F9", "crash at each crash point of a checkpoint")


def run(lab: Lab) -> list[Outcome]:
    """Crash at each point, and once more there after a few checkpoints."""
    passes = lab.scaled((1,), (1, 3))

    def crash(job: Job) -> None:
        for times in passes:
            for point in CRASH_POINTS:
                job.oracle.write(500)
                # Its own place in the group: nobody waits for the dead one's session.
                told = ("--slot", "one", "--static-membership")
                worker = job.worker(*told, crash_at=f"{point}:{times}")
                if point in ("revoke_begun", "released"):
                    job.await_end(worker)
                    worker.terminate()
                for _ in range(times - 1):
                    job.await_end(worker)
                    job.oracle.write(500)
                code = worker.ends()
                assert code == -signal.SIGKILL, f"ended with {code} at {point}\n{worker}"
                job.rounds += 1
        job.worker("--slot", "one", "--static-membership")

    return [trial(lab, guarantee, NAMES, crash) for guarantee in GUARANTEES]
