"""F10: the edges of a changelog: each restore ends soon, with the right value or an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from sabot.runtime.exit_codes import ExitCode
from tests.faults.job import EOS, GUARANTEES, Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome
from tests.faults.scenario import attempt, trial
from tests.until import until

READY_SECONDS = 10


def run(lab: Lab) -> list[Outcome]:
    """Meet each edge."""
    found: list[Outcome] = []
    for guarantee in lab.scaled((EOS,), GUARANTEES):
        for done, edge in EDGES.items():
            if edge is not compacted or lab.long:
                found.append(trial(lab, guarantee, ("F10", f"restore of {done}"), edge))
        for done, spoil in SPOILT.items():
            names = ("F10", f"restore of {done}: a clear error")
            with Job(lab.kafka, guarantee, lab.seed) as job:
                found.append(attempt(job, names, partial(_spoilt, job, names, spoil)))
    return found


def _spoilt(job: Job, names: tuple[str, str], spoil: Callable[[Job], None]) -> Outcome:
    run_to_end(job, 2000)
    spoil(job)
    job.oracle.write(10)
    job.rounds += 1
    says = ("StateMismatchError", "changelog (ends|begins) at", "--state")
    return job.refused(*names, job.worker(), *says)


def changelog(job: Job) -> str:
    return f"{job.group}-counts-changelog"


def run_to_end(job: Job, records: int) -> None:
    """Have a worker take so many records, and stop it."""
    job.oracle.write(records)
    worker = job.worker()
    worker.wait_ready()
    job.await_end(worker)
    worker.terminate()
    code = worker.ends(30)
    assert code == ExitCode.OK, f"stopped with {code}\n{worker}"


def restart(job: Job) -> None:
    """Start a worker that has nothing, and give it more to do."""
    job.oracle.write(500)
    job.worker().wait_ready(READY_SECONDS)
    job.rounds += 1


def empty(job: Job) -> None:
    worker = job.worker()
    worker.wait_ready()
    worker.terminate()
    worker.ends(30)
    restart(job)


def marker_last(job: Job) -> None:
    run_to_end(job, 2000)
    restart(job)


def tail_aborted(job: Job) -> None:
    """Leave a transaction open, which the next worker has aborted: its markers are last."""
    worker = job.worker("--slot", "one", "--static-membership", crash_at="offsets_sent:3")
    worker.wait_ready()
    for _ in range(50):
        job.oracle.write(200)
        if worker.code is not None:
            break
        until(lambda: worker.code is not None or _idle(job), what="the records committed")
    worker.ends(30)
    job.worker("--slot", "one", "--static-membership").wait_ready(READY_SECONDS)
    job.rounds += 1


def _idle(job: Job) -> bool:
    return job.committed == job.oracle.written


def prefix_deleted(job: Job) -> None:
    """Delete what the newer half says again."""
    run_to_end(job, 2000)
    ends = job.kafka.end_offsets(changelog(job))
    run_to_end(job, 4000)
    _delete(job, ends)
    restart(job)


def compacted(job: Job) -> None:
    """Have everything compacted that can be."""
    _set(job, {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"})
    _set(job, {"max.compaction.lag.ms": "100", "min.compaction.lag.ms": "0"})
    for _ in range(3):
        run_to_end(job, 2000)
    whole = len(job.kafka.read_all(changelog(job)))
    until(
        lambda: len(job.kafka.read_all(changelog(job))) < whole,
        what="compaction",
        timeout=90,
        every=1,
    )
    restart(job)


def deleted_past_the_commit(job: Job) -> None:
    _delete(job, job.kafka.end_offsets(changelog(job)))


def made_anew(job: Job) -> None:
    name = changelog(job)
    job.kafka.admin.delete_topics([name])[name].result(30)
    until(lambda: not job.kafka.partitions(name), what="deletion")
    job.kafka.create_topic(name, len(job.kafka.partitions(job.source)), cleanup_policy="compact")


def _delete(job: Job, before: dict[int, int]) -> None:
    # Of a topic that is compacted alone the broker deletes nothing.
    _set(job, {"cleanup.policy": "compact,delete"})
    job.kafka.delete_records(changelog(job), before)
    _set(job, {"cleanup.policy": "compact"})


def _set(job: Job, settings: dict[str, str]) -> None:
    if not job.kafka.partitions(changelog(job)):
        job.worker().wait_ready()
        job.workers[-1].terminate()
        job.workers[-1].ends(30)
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, changelog(job), incremental_configs=entries)
    job.kafka.admin.incremental_alter_configs([resource])[resource].result(30)


EDGES: dict[str, Callable[[Job], None]] = {
    "an empty changelog": empty,
    "one whose last offset is a marker": marker_last,
    "one that ends with an aborted transaction": tail_aborted,
    "one whose older half is deleted": prefix_deleted,
    "one that is compacted": compacted,
}
SPOILT: dict[str, Callable[[Job], None]] = {
    "one deleted past the commit": deleted_past_the_commit,
    "one that was made anew": made_anew,
}
