from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sabot.api.stream import Stream
from sabot.plan.names import location, step_name
from sabot.plan.nodes import Filter, Node, Scan, ancestors, parents


def kafka() -> Stream:
    return Stream.from_kafka("localhost:1", "orders", "billing")


def keep(batch: Any) -> Any:
    return batch


NODES: list[Node] = [
    kafka().node,
    kafka().filter(keep).node,
    kafka().map(keep).node,
    kafka().flat_map(keep).node,
    kafka().select("a").node,
    kafka().drop("a").node,
    kafka().rename({"a": "b"}).node,
    kafka().with_columns(a=1).node,
    kafka().union(kafka()).node,
    kafka().to_kafka("localhost:1", "out").output.node,
    kafka().for_each(keep).output.node,
]


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_a_node_never_changes(node: Node) -> None:
    for field in dataclasses.fields(node):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(node, field.name, None)


@pytest.mark.parametrize("node", NODES, ids=lambda node: type(node).__name__)
def test_a_node_is_equal_to_itself_alone(node: Node) -> None:
    twin = dataclasses.replace(node)
    assert node != twin
    assert len({node, twin}) == 2


def test_ancestors_come_sources_first_and_each_once() -> None:
    stream = kafka()
    left, right = stream.filter(keep), stream.map(keep)
    both = left.union(right)
    assert ancestors(both.node) == [stream.node, left.node, right.node, both.node]


def test_parents_are_what_flows_in() -> None:
    stream = kafka()
    left = stream.filter(keep)
    assert parents(stream.node) == ()
    assert parents(left.node) == (stream.node,)
    assert parents(left.union(stream).node) == (left.node, stream.node)


def test_steps_are_numbered_by_kind_from_the_source_down() -> None:
    stream = kafka().filter(keep).map(keep).filter(keep)
    assert [node.name for node in ancestors(stream.node)] == [
        "source",
        "filter-1",
        "map-1",
        "filter-2",
    ]


def test_a_branch_elsewhere_renames_nothing() -> None:
    stream = kafka()
    stream.filter(keep).filter(keep)
    assert stream.filter(keep).node.name == "filter-1"


def test_a_name_the_user_gave_counts_for_nothing_else() -> None:
    stream = kafka().filter(keep, name="large").filter(keep)
    assert [node.name for node in ancestors(stream.node)][1:] == ["large", "filter-1"]
    assert step_name("filter", stream.node) == "filter-2"


def test_a_function_is_found_by_file_and_line() -> None:
    line = keep.__code__.co_firstlineno
    assert location(keep) == f"keep (test_nodes.py:{line})"
    inner = lambda batch: batch  # noqa: E731
    assert location(inner) == f"<lambda> (test_nodes.py:{inner.__code__.co_firstlineno})"


def test_what_has_no_line_is_found_by_name() -> None:
    class Callee:
        def __call__(self, batch: Any) -> Any:
            return batch

    assert location(Callee()) == "Callee"
    assert location(len) == "len"


def test_a_filter_keeps_the_function_it_was_given() -> None:
    node = kafka().filter(keep).node
    assert isinstance(node, Filter)
    assert node.function is keep
    assert isinstance(node.parent, Scan)
