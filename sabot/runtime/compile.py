"""From outputs to what a worker hosts: domains, and in them pipelines and agents.

A *domain* is one consumer and everything it feeds. Outputs that share a node become one
pipeline, so that they share its consumer, decode and steps; an agent is on its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import pyarrow as pa

from sabot.errors import ConfigurationError, PlanError
from sabot.operators.base import Operator
from sabot.plan.nodes import (
    AgentNode,
    Drop,
    Filter,
    FlatMap,
    Map,
    Node,
    Rename,
    Scan,
    Select,
    Stateful,
    Terminal,
    WithColumns,
    ancestors,
)
from sabot.plan.outputs import Output
from sabot.runtime.stateful_plan import StoreUse, check_stateful, stores_of
from sabot.state import Store

__all__ = ["DomainPlan", "PipelinePlan", "build_operator", "compile_outputs", "is_step", "topic_of"]

_AGREE = ("enable_auto_commit", "fetch_min_bytes", "fetch_max_wait_ms")


@dataclass(slots=True, eq=False)
class PipelinePlan:
    """Outputs that one actor runs.

    Attributes:
        name: Unique in the worker.
        outputs: In the order they were defined.
        scans: The sources they read.
    """

    name: str
    outputs: list[Output]
    scans: list[Scan]

    @property
    def agent(self) -> AgentNode | None:
        """The agent, if this is one."""
        node = self.outputs[0].node
        return node if isinstance(node, AgentNode) else None


@dataclass(slots=True, eq=False)
class DomainPlan:
    """What one consumer feeds.

    Attributes:
        key: What makes the consumer one: cluster and group, or the pipeline itself where
            rows come from memory.
        pipelines: In the order they were defined.
        inferred: The schemas its codecs have inferred, by topic and codec, as long as the
            worker lives.
        kept: What its steps keep, by store and partition, where a broker cannot.
    """

    key: Hashable
    pipelines: list[PipelinePlan] = field(default_factory=list)
    inferred: dict[str, pa.Schema] = field(default_factory=dict)
    kept: dict[tuple[str, int], Store] = field(default_factory=dict)

    @property
    def sources(self) -> list[Any]:
        """The configurations of all sources."""
        return [scan.source for pipeline in self.pipelines for scan in pipeline.scans]

    @property
    def stores(self) -> list[StoreUse]:
        """What its steps keep, and by which topics' partitions."""
        ends = [output.node for pipeline in self.pipelines for output in pipeline.outputs]
        return stores_of(ends)

    @property
    def stateful(self) -> bool:
        """Whether any of its steps keeps state."""
        return bool(self.stores)

    @property
    def bounded(self) -> bool:
        """Whether all sources end."""
        return all(source.bounded for source in self.sources)

    @property
    def name(self) -> str:
        """The group, or the first pipeline's name."""
        first = self.sources[0]
        return str(getattr(first, "group_id", self.pipelines[0].name))


def compile_outputs(outputs: Sequence[Output]) -> list[DomainPlan]:
    """Group outputs into pipelines and those into domains.

    Raises:
        ConfigurationError: If sources that have to be one consumer disagree in an option,
            or if pipelines would use one codec object at the same time.
        PlanError: If an output mixes sources no single commit can cover.
    """
    domains: dict[Hashable, DomainPlan] = {}
    names: set[str] = set()
    for group in _connected(outputs):
        scans = _scans([output.node for output in group])
        keys = {_key(scan, group) for scan in scans}
        if len(keys) > 1:
            raise PlanError(
                f"output {group[0].node.name!r} reads sources of different consumer groups or "
                f"clusters: {', '.join(scan.source.title for scan in scans)}; one commit must "
                f"cover them, so give them the same group_id"
            )
        key = keys.pop()
        domain = domains.setdefault(key, DomainPlan(key))
        domain.pipelines.append(PipelinePlan(_name(group, scans, names), group, scans))
    check_stateful([output.node for output in outputs])
    for domain in domains.values():
        _check_agreement(domain)
    _check_codecs([pipeline for domain in domains.values() for pipeline in domain.pipelines])
    return list(domains.values())


def _connected(outputs: Sequence[Output]) -> list[list[Output]]:
    """Return the outputs in groups that share nodes, in order of definition."""
    groups: list[tuple[set[int], list[Output]]] = []
    for output in outputs:
        nodes = {id(node) for node in ancestors(output.node)}
        if isinstance(output.node, AgentNode):
            groups.append((set(), [output]))
            continue
        together = [group for group in groups if group[0] & nodes]
        merged = [member for group in together for member in group[1]] + [output]
        for group in together:
            nodes |= group[0]
        position = groups.index(together[0]) if together else len(groups)
        groups = [group for group in groups if group not in together]
        groups.insert(position, (nodes, merged))
    return [members for _, members in groups]


def _scans(nodes: Sequence[Terminal]) -> list[Scan]:
    found: dict[int, Scan] = {}
    for end in nodes:
        for node in ancestors(end):
            if isinstance(node, Scan):
                found[id(node)] = node
    return list(found.values())


def _key(scan: Scan, group: list[Output]) -> Hashable:
    domain: Hashable | None = getattr(scan.source, "domain", None)
    return domain if domain is not None else ("memory", id(group[0]))


def _name(group: Sequence[Output], scans: Sequence[Scan], taken: set[str]) -> str:
    topics = [getattr(scan.source, "topic", None) for scan in scans]
    known = [topic for topic in topics if topic]
    base = group[0].node.name if isinstance(group[0].node, AgentNode) else "+".join(known)
    base = base or group[0].node.name
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}#{number}"
    taken.add(name)
    return name


def _check_agreement(domain: DomainPlan) -> None:
    """Refuse sources that have to be one consumer and ask for different ones."""
    sources = domain.sources
    if not hasattr(sources[0], "differing"):
        return
    first = sources[0]
    by_topic: dict[str, Any] = {}
    for other in sources:
        differing = [
            name
            for name in first.differing(other)
            if name in _AGREE or name in {*first.consumer_config, *other.consumer_config}
        ]
        same_topic = by_topic.setdefault(other.topic, other)
        if same_topic.auto_offset_reset != other.auto_offset_reset:
            differing.append("auto_offset_reset")
        if differing:
            raise ConfigurationError(
                f"{first.title} and {other.title} are one consumer, since brokers and group_id "
                f"are equal, but differ in {', '.join(differing)}; make these equal or give "
                f"one of them another group_id"
            )


def _check_codecs(pipelines: Sequence[PipelinePlan]) -> None:
    """Refuse a codec object in two pipelines: each has its thread, and a codec one user."""
    users: dict[int, PipelinePlan] = {}
    for pipeline in pipelines:
        nodes = {id(node): node for output in pipeline.outputs for node in ancestors(output.node)}
        for node in nodes.values():
            place = getattr(node, "source", None) or getattr(node, "sink", None)
            for codec in _codec_objects(place):
                other = users.setdefault(id(codec), pipeline)
                if other is not pipeline:
                    raise ConfigurationError(
                        f"pipelines {other.name!r} and {pipeline.name!r} have one codec object "
                        f"({codec.name!r}), and each runs in a thread of its own; make a codec "
                        "for each, or give its name as codec_type"
                    )


def _codec_objects(place: Any) -> list[Any]:
    """Return the codecs that a source or a sink was given as objects."""
    columns = getattr(place, "columns", place)
    given = (getattr(place, "codec_type", None), getattr(columns, "key_codec_type", None))
    return [codec for codec in given if codec is not None and not isinstance(codec, str)]


@singledispatch
def build_operator(node: Node) -> Operator:
    """Return the operator that does what a step node says."""
    raise PlanError(f"no operator for {type(node).__name__}")


@build_operator.register
def _(node: Filter) -> Operator:
    from sabot.operators.filter import FilterOperator

    return FilterOperator(node.function, name=node.name, raw=node.raw)


@build_operator.register
def _(node: Map) -> Operator:
    from sabot.operators.map import MapOperator

    return MapOperator(node.function, name=node.name, raw=node.raw, repeatable=node.repeatable)


@build_operator.register
def _(node: FlatMap) -> Operator:
    from sabot.operators.flat_map import FlatMapOperator

    return FlatMapOperator(node.function, name=node.name, raw=node.raw)


@build_operator.register
def _(node: Select) -> Operator:
    from sabot.operators.select import SelectOperator

    return SelectOperator(node.columns, name=node.name)


@build_operator.register
def _(node: Drop) -> Operator:
    from sabot.operators.drop import DropOperator

    return DropOperator(node.columns, name=node.name)


@build_operator.register
def _(node: Rename) -> Operator:
    from sabot.operators.rename import RenameOperator

    return RenameOperator(node.names, name=node.name)


@build_operator.register
def _(node: WithColumns) -> Operator:
    from sabot.operators.with_columns import WithColumnsOperator

    return WithColumnsOperator(node.columns, name=node.name)


@build_operator.register
def _(node: Stateful) -> Operator:
    from sabot.operators.stateful import StatefulOperator

    return StatefulOperator(node.function, name=node.name, store=node.store, key=node.key)


def is_step(node: Node) -> bool:
    """Whether a node needs an operator."""
    return isinstance(
        node, Filter | Map | FlatMap | Select | Drop | Rename | WithColumns | Stateful
    )


def topic_of(scan: Scan) -> str:
    """Return the topic a scan reads, or a name of its own where there is none."""
    topic = getattr(scan.source, "topic", None)
    return topic if isinstance(topic, str) else f"memory-{id(scan)}"
