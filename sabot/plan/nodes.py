"""The nodes of a plan: frozen, inert, compared by identity.

A node says what is to happen to rows, never how. Two streams that were built from one
stream object share its nodes, which is how a worker knows that they share a consumer, a
decode and a prefix of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

__all__ = [
    "AgentNode",
    "Drop",
    "Filter",
    "FlatMap",
    "ForEach",
    "Map",
    "Node",
    "Rename",
    "Scan",
    "Select",
    "SinkSpec",
    "SourceSpec",
    "Stateful",
    "Step",
    "Terminal",
    "Union",
    "WithColumns",
    "Write",
    "ancestors",
    "parents",
]

Function: TypeAlias = Callable[..., Any]


class SourceSpec(Protocol):
    """What a scan reads; the connectors bring their own."""

    @property
    def title(self) -> str:
        """One line for people, such as ``kafka 'orders' (json), group 'billing'``."""
        ...

    @property
    def bounded(self) -> bool:
        """Whether the source ends by itself."""
        ...


class SinkSpec(Protocol):
    """What a write writes to."""

    @property
    def title(self) -> str:
        """One line for people, such as ``kafka 'orders' (json, lz4)``."""
        ...

    @property
    def label(self) -> str:
        """A short name, such as the topic's; part of the branch's name."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Rows from a source."""

    source: SourceSpec
    name: str = "source"


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """The rows for which a predicate is true."""

    parent: Node
    function: Function
    name: str
    raw: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A record batch for a record batch."""

    parent: Node
    function: Function
    name: str
    repeatable: bool = True
    raw: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FlatMap:
    """Any number of rows for each row."""

    parent: Node
    function: Function
    name: str
    raw: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """Only these columns, in this order."""

    parent: Node
    columns: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Drop:
    """All columns but these."""

    parent: Node
    columns: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Rename:
    """Other names for some columns."""

    parent: Node
    names: Mapping[str, str]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class WithColumns:
    """Columns added, or replaced where the name exists."""

    parent: Node
    columns: Mapping[str, Any]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Stateful:
    """What a function makes of each row and of what is kept under the row's key."""

    parent: Node
    function: Function
    name: str
    store: str
    key: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """The rows of all parents, each in its own order."""

    members: tuple[Node, ...]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """Rows to a sink."""

    parent: Node
    sink: SinkSpec
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class ForEach:
    """A function called for each row, for its effect."""

    parent: Node
    function: Function
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class AgentNode:
    """A handler that takes one event at a time, Faust style."""

    parent: Node
    function: Function
    name: str


Step: TypeAlias = Filter | Map | FlatMap | Select | Drop | Rename | WithColumns | Stateful
Terminal: TypeAlias = Write | ForEach | AgentNode
Node: TypeAlias = Scan | Step | Union | Terminal


def parents(node: Node) -> tuple[Node, ...]:
    """Return the nodes whose rows flow into ``node``."""
    if isinstance(node, Scan):
        return ()
    if isinstance(node, Union):
        return node.members
    return (node.parent,)


def ancestors(node: Node) -> list[Node]:
    """Return ``node`` and all nodes above it, each once, sources first."""
    found: dict[int, Node] = {}

    def visit(current: Node) -> None:
        if id(current) in found:
            return
        for parent in parents(current):
            visit(parent)
        found[id(current)] = current

    visit(node)
    return list(found.values())
