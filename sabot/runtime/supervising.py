"""How the actors of a worker are supervised: from what users ask for to what runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sabot.actors import Group, Strategy, Supervision
from sabot.errors import ConfigurationError
from sabot.runtime.compile import PipelinePlan

__all__ = [
    "cell_supervision",
    "check_resume",
    "stopping_along",
    "stops_alone",
    "supervision_of",
]

_PASSING = ("skip", "dead_letter")


def supervision_of(plan: PipelinePlan, default: Supervision | None = None) -> Supervision:
    """Return what holds for the actor of a pipeline.

    Args:
        plan: The pipeline; its sources may name a supervision.
        default: The app's.

    Raises:
        ConfigurationError: If its sources disagree, if one asks for a group (which is the
            app's to say), or if it resumes without a policy that says what becomes of
            the records.
    """
    asked: list[Supervision] = []
    for scan in plan.scans:
        supervision = getattr(scan.source, "supervision", None)
        if supervision is not None and supervision not in asked:
            asked.append(supervision)
    if len(asked) > 1:
        raise ConfigurationError(
            f"the sources of {plan.name!r} feed one actor and ask for different supervisions; "
            f"give them the same"
        )
    if asked and asked[0].group is not Group.ONE_FOR_ONE:
        raise ConfigurationError(
            f"{plan.name!r} asks for group {Group(asked[0].group).value!r}, which concerns its "
            f"siblings too; give it to App(supervision=...)"
        )
    chosen = asked[0] if asked else default or Supervision()
    check_resume(plan, chosen)
    return chosen


def check_resume(plan: PipelinePlan, supervision: Supervision) -> None:
    """Refuse to go on behind a record where nothing says what becomes of it.

    Raises:
        ConfigurationError: If a source of the pipeline has no such policy.
    """
    if supervision.strategy is not Strategy.RESUME:
        return
    for scan in plan.scans:
        policy = getattr(scan.source, "error_handling_policy", None)
        if policy not in _PASSING:
            raise ConfigurationError(
                f"{plan.name!r} is to resume behind a record that failed, so the record is gone; "
                f"say where to: error_handling_policy='skip' or 'dead_letter' for "
                f"{scan.source.title}"
            )


def cell_supervision(supervision: Supervision, *, resumes: bool = False) -> Supervision:
    """Return what the actor's own thread goes by.

    Stopping is the worker's business, since the actor's whole domain goes with it. To
    resume is the policy's: a batch that the actor gave up would be committed past.

    Args:
        supervision: What was asked for.
        resumes: Whether the actor may give up a message, which then is no record.
    """
    if supervision.strategy is Strategy.STOP:
        return replace(supervision, strategy=Strategy.ESCALATE)
    if supervision.strategy is Strategy.RESUME and not resumes:
        return replace(supervision, strategy=None)
    return supervision


def stops_alone(supervision: Supervision, error: BaseException) -> bool:
    """Return whether an error stops an actor and what goes with it, not the process.

    A strategy is for exceptions of the usual kind: ``SystemExit`` means the process.
    """
    if supervision.strategy is not Strategy.STOP or not isinstance(error, Exception):
        return False
    return supervision.answer(error) is Strategy.STOP


def stopping_along(app: Supervision, domains: Sequence[int], stopped: int) -> frozenset[int]:
    """Return which domains end when one of them is stopped, itself included.

    Args:
        app: The app's supervision, for its group.
        domains: All that run, in the order they were defined.
        stopped: The one.

    Example:
        >>> sorted(stopping_along(Supervision(group="rest_for_one"), [1, 2, 3], 2))
        [2, 3]
    """
    names = [str(domain) for domain in domains]
    along = Group(app.group).others(names, str(stopped))
    return frozenset({stopped, *map(int, along)})
