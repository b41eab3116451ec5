"""What a plan with steps that keep state has to be like, so that state is as of a commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sabot.errors import PlanError
from sabot.plan.nodes import Node, Scan, Stateful, Terminal, ancestors, parents

__all__ = ["StoreUse", "check_stateful", "stateful_nodes", "stores_of", "volatile_nodes"]


@dataclass(frozen=True, slots=True)
class StoreUse:
    """A store, and the topic whose partitions it is kept by."""

    store: str
    topic: str


def stateful_nodes(end: Node) -> list[Stateful]:
    """Return the steps above an end that keep state, sources first."""
    return [node for node in ancestors(end) if isinstance(node, Stateful)]


def volatile_nodes(end: Node) -> frozenset[int]:
    """Return the nodes, by identity, whose rows depend on state."""
    found: set[int] = set()
    for node in ancestors(end):
        if isinstance(node, Stateful) or any(id(parent) in found for parent in parents(node)):
            found.add(id(node))
    return frozenset(found)


def stores_of(ends: Sequence[Node]) -> list[StoreUse]:
    """Return what steps above these ends keep, for topics; rows from memory have none."""
    found: dict[str, StoreUse] = {}
    for end in ends:
        for node in stateful_nodes(end):
            scan = next(above for above in ancestors(node) if isinstance(above, Scan))
            topic = getattr(scan.source, "topic", None)
            if isinstance(topic, str):
                found.setdefault(node.store, StoreUse(node.store, topic))
    return list(found.values())


def check_stateful(ends: Sequence[Terminal]) -> None:
    """Refuse plans whose state no single position could describe.

    State is kept per partition and is as of the position of the one branch that the step
    feeds; two branches may stand at different records, and two topics have no common one.

    Raises:
        PlanError: If a store has two steps, a step two outputs or two topics, or a source
            that is committed by hand.
    """
    stores: dict[str, Stateful] = {}
    users: dict[int, Terminal] = {}
    for end in ends:
        for node in stateful_nodes(end):
            other = stores.setdefault(node.store, node)
            if other is not node:
                raise PlanError(
                    f"steps {other.name!r} and {node.name!r} both keep their state as "
                    f"{node.store!r}; give each a store of its own"
                )
            first = users.setdefault(id(node), end)
            if first is not end:
                raise PlanError(
                    f"outputs {first.name!r} and {end.name!r} both follow step {node.name!r}, "
                    "which keeps state; a step with state feeds one output: write that one and "
                    "read its topic for the other"
                )
            _check_source(node)


def _check_source(node: Stateful) -> None:
    scans = [above for above in ancestors(node) if isinstance(above, Scan)]
    if len(scans) > 1:
        titles = "; ".join(scan.source.title for scan in scans)
        raise PlanError(
            f"step {node.name!r} keeps state by partition and must read one topic (without a "
            f"retry_topic); it reads {titles}. Write them to one topic first"
        )
    for scan in scans:
        if not getattr(scan.source, "enable_auto_commit", True):
            raise PlanError(
                f"step {node.name!r} keeps state, which is committed along with the offsets, and "
                f"{scan.source.title} has enable_auto_commit=False: until your commit all that "
                "changes would wait in memory; leave that out"
            )
