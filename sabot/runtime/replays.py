"""Records of a retry topic: each is meant for the branches that have its failing step.

A branch that took the record the first time must not take it again. It is read anew from
its bytes, so the steps before the failing one run again, in that branch alone. An agent is
a branch of one step, which has its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sabot.kafka.dead_letters import replayed_step
from sabot.plan.nodes import Scan, Terminal, ancestors
from sabot.runtime.progress import some_rows
from sabot.types import RawBatch

__all__ = ["meant_for"]


def meant_for(end: Terminal, ends: Iterable[Terminal]) -> Callable[[RawBatch], RawBatch]:
    """Return what leaves out the records that are meant for other branches.

    A record that names no step, or one that no branch has (any more), is for all of them:
    it is better written twice than lost.

    Args:
        end: The branch's last node.
        ends: Those of all branches of the consumer group; what reads other retry topics
            than this one does not count.
    """
    ours, topics = _steps(end), _retry_topics(end)
    rivals = [_steps(other) for other in ends if topics & _retry_topics(other)]
    others = frozenset().union(*rivals) - ours

    def choose(raw: RawBatch) -> RawBatch:
        chosen = [
            number
            for number, record in enumerate(raw.records)
            if replayed_step(record.headers()) not in others
        ]
        return raw if len(chosen) == len(raw.records) else some_rows(raw, chosen)

    return choose


def _steps(end: Terminal) -> frozenset[str]:
    return frozenset(node.name for node in ancestors(end))


def _retry_topics(end: Terminal) -> frozenset[str]:
    sources: list[Any] = [node.source for node in ancestors(end) if isinstance(node, Scan)]
    return frozenset(each.topic for each in sources if getattr(each, "is_retry", False))
