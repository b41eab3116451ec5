"""One trial of a scenario: a job, what is done to it, and the judgement."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaException

from sabot.errors import SabotError
from tests.broker import Kafka
from tests.faults.job import Job
from tests.faults.lab import Lab
from tests.faults.outcome import Outcome

__all__ = ["attempt", "trial"]


def trial(
    lab: Lab,
    guarantee: str,
    names: tuple[str, str],
    body: Callable[[Job], None],
    *,
    kafka: Kafka | None = None,
    repeats: bool | None = None,
    within: float = 60.0,
    **told: object,
) -> Outcome:
    """Do something to a job and judge it; what breaks on the way is a failure.

    Args:
        lab: Where.
        guarantee: What the job promises.
        names: The scenario's, and what is done.
        body: Does it; what it has started may still run when it returns.
        kafka: The broker, if it is not the lab's.
        repeats: Whether rows may come out again; unless given, under at-least-once.
        within: Seconds in which the job has to come to its end thereafter.
        **told: What the job is told.
    """
    with Job(kafka or lab.kafka, guarantee, lab.seed, **told) as job:  # type: ignore[arg-type]

        def judged() -> Outcome:
            body(job)
            return job.judge(*names, repeats=repeats, within=within)

        return attempt(job, names, judged)


def attempt(job: Job, names: tuple[str, str], judged: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of what is done to a job; what breaks on the way is a failure."""
    try:
        return judged()
    except (AssertionError, SabotError, KafkaException, OSError, ValueError) as error:
        return job.broken(*names, error)
