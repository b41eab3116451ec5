"""A plan as text: sources at the top, each branch below what it shares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from sabot.plan.names import location
from sabot.plan.nodes import (
    AgentNode,
    Drop,
    Filter,
    FlatMap,
    ForEach,
    Map,
    Node,
    Rename,
    Scan,
    Select,
    Stateful,
    Union,
    WithColumns,
    Write,
    ancestors,
    parents,
)

__all__ = ["describe", "explain"]


@singledispatch
def describe(node: object) -> str:
    """Return one node in one line."""
    raise TypeError(f"not a plan node: {node!r}")


@describe.register
def _(node: Scan) -> str:
    return node.source.title


@describe.register(Filter)
@describe.register(FlatMap)
@describe.register(ForEach)
def _(node: Filter | FlatMap | ForEach) -> str:
    return f"{node.name}: {location(node.function)}"


@describe.register
def _(node: Map) -> str:
    once = "" if node.repeatable else ", one row at a time"
    return f"{node.name}: {location(node.function)}{once}"


@describe.register(Select)
@describe.register(Drop)
def _(node: Select | Drop) -> str:
    return f"{node.name}: {', '.join(node.columns)}"


@describe.register
def _(node: Rename) -> str:
    return f"{node.name}: " + ", ".join(f"{old} -> {new}" for old, new in node.names.items())


@describe.register
def _(node: WithColumns) -> str:
    return f"{node.name}: {', '.join(node.columns)}"


@describe.register
def _(node: Stateful) -> str:
    key = "the record's key" if node.key is None else repr(node.key)
    return f"{node.name}: {location(node.function)}, state {node.store!r} by {key}"


@describe.register
def _(node: Union) -> str:
    return f"{node.name}: {len(node.members)} streams"


@describe.register
def _(node: Write) -> str:
    return f"{node.name}: {node.sink.title}"


@describe.register
def _(node: AgentNode) -> str:
    return f"{node.name}: {location(node.function)}, one event at a time"


def explain(outputs: Sequence[Node]) -> str:
    """Return the plan that ends in ``outputs`` as an indented tree.

    A node that several branches share is printed once, with the branches below it; a
    union is printed under its first member and named under the others.
    """
    children: dict[int, list[Node]] = {}
    roots: dict[int, Node] = {}
    for output in outputs:
        for node in ancestors(output):
            above = parents(node)
            if not above:
                roots[id(node)] = node
            for parent in above:
                below = children.setdefault(id(parent), [])
                if not any(known is node for known in below):
                    below.append(node)
    lines: list[str] = []
    printed: set[int] = set()
    for root in roots.values():
        lines.append(describe(root))
        _branch(root, children, "", lines, printed)
    return "\n".join(lines)


def _branch(
    node: Node,
    children: dict[int, list[Node]],
    indent: str,
    lines: list[str],
    printed: set[int],
) -> None:
    below = children.get(id(node), [])
    for number, child in enumerate(below):
        last = number == len(below) - 1
        bar = "└─ " if last else "├─ "
        if id(child) in printed:
            lines.append(f"{indent}{bar}{child.name} (above)")
            continue
        printed.add(id(child))
        lines.append(f"{indent}{bar}{describe(child)}")
        _branch(child, children, indent + ("   " if last else "│  "), lines, printed)
