from __future__ import annotations

from typing import Any

import pytest

from sabot.api.stream import OutputStream, Stream
from sabot.codecs import JsonCodec
from sabot.errors import ConfigurationError, PlanError
from sabot.operators import (
    DropOperator,
    FilterOperator,
    FlatMapOperator,
    MapOperator,
    RenameOperator,
    SelectOperator,
    WithColumnsOperator,
)
from sabot.plan.nodes import AgentNode, Scan, Terminal, Union
from sabot.plan.outputs import Output, collecting
from sabot.runtime.compile import (
    DomainPlan,
    build_operator,
    compile_outputs,
    is_step,
    topic_of,
)


def kafka(topic: str = "orders", group: str = "billing", **options: Any) -> Stream:
    return Stream.from_kafka("localhost:1", topic, group, **options)


def end(stream: Stream, topic: str = "out") -> OutputStream:
    with collecting():
        return stream.to_kafka("localhost:1", topic)


def plans(*ends: OutputStream | Output) -> list[DomainPlan]:
    return compile_outputs([e.output if isinstance(e, OutputStream) else e for e in ends])


def shape(domains: list[DomainPlan]) -> list[list[tuple[str, list[str]]]]:
    return [
        [(pipeline.name, [o.node.name for o in pipeline.outputs]) for pipeline in domain.pipelines]
        for domain in domains
    ]


def test_outputs_that_share_a_node_are_one_pipeline() -> None:
    stream = kafka().filter(lambda b: b["n"] > 1)
    assert shape(plans(end(stream, "a"), end(stream, "b"))) == [
        [("orders", ["to_kafka:a", "to_kafka:b"])]
    ]


def test_outputs_of_one_group_that_share_no_node_are_two_pipelines_of_one_domain() -> None:
    domains = plans(end(kafka(), "a"), end(kafka("clicks"), "b"), end(kafka(), "c"))
    assert shape(domains) == [
        [
            ("orders", ["to_kafka:a"]),
            ("clicks", ["to_kafka:b"]),
            ("orders#2", ["to_kafka:c"]),
        ]
    ]
    assert domains[0].name == "billing"
    assert not domains[0].bounded


def test_other_groups_are_other_domains() -> None:
    domains = plans(end(kafka(group="a")), end(kafka(group="b")))
    assert [domain.name for domain in domains] == ["a", "b"]
    names = [pipeline.name for domain in domains for pipeline in domain.pipelines]
    assert names == ["orders", "orders#2"]


def test_an_output_that_joins_two_pipelines_makes_them_one() -> None:
    left, right = kafka("a"), kafka("b")
    both = end(left.union(right), "both")
    domains = plans(end(left, "x"), end(right, "y"), both)
    assert shape(domains) == [[("a+b", ["to_kafka:x", "to_kafka:y", "to_kafka:both"])]]


def test_an_agent_is_on_its_own_though_it_shares_the_consumer() -> None:
    async def clerk(stream: Any) -> None: ...

    stream = kafka()
    agent = Output(AgentNode(stream.node, clerk, "agent:clerk"))
    domains = plans(end(stream), agent)
    assert shape(domains) == [[("orders", ["to_kafka:out"]), ("agent:clerk", ["agent:clerk"])]]
    assert [pipeline.agent is not None for pipeline in domains[0].pipelines] == [False, True]


def test_rows_from_memory_are_a_domain_for_each_pipeline() -> None:
    a, b = Stream.from_pylist([{"n": 1}]), Stream.from_pylist([{"n": 2}])
    domains = plans(end(a, "a"), end(b, "b"))
    assert [domain.bounded for domain in domains] == [True, True]
    assert [domain.name for domain in domains] == ["to_kafka:a", "to_kafka:b"]


def test_nothing_compiles_to_nothing() -> None:
    assert plans() == []


def test_sources_of_one_consumer_must_agree() -> None:
    with pytest.raises(ConfigurationError) as caught:
        plans(end(kafka(fetch_min_bytes=1)), end(kafka("clicks", fetch_min_bytes=9)))
    assert "differ in fetch_min_bytes" in str(caught.value)
    assert "give one of them another group_id" in str(caught.value)


def test_consumer_properties_must_agree_too() -> None:
    with pytest.raises(ConfigurationError, match=r"socket\.keepalive\.enable"):
        plans(
            end(kafka(consumer_config={"socket.keepalive.enable": True})),
            end(kafka("clicks")),
        )


def test_where_a_topic_begins_must_be_one_place() -> None:
    with pytest.raises(ConfigurationError, match="auto_offset_reset"):
        plans(
            end(kafka(auto_offset_reset="earliest")),
            end(kafka(auto_offset_reset="latest")),
        )


def test_topics_may_begin_at_different_ends() -> None:
    assert (
        len(
            plans(
                end(kafka(auto_offset_reset="earliest")),
                end(kafka("clicks", auto_offset_reset="latest")),
            )
        )
        == 1
    )


def test_options_of_the_rows_may_differ() -> None:
    assert (
        len(
            plans(
                end(kafka(error_handling_policy="skip", batch_size=10)),
                end(kafka("clicks", error_handling_policy="fail", batch_size=500)),
            )
        )
        == 1
    )


def test_no_output_may_read_two_groups() -> None:
    union = Union((kafka(group="a").node, kafka(group="b").node), "union-1")
    with pytest.raises(PlanError, match="give them the same group_id"):
        plans(end(Stream(union)))


def test_pipelines_cannot_share_a_codec_object() -> None:
    codec = JsonCodec()
    one, other = kafka(codec_type=codec), kafka("clicks", codec_type=codec)
    with pytest.raises(ConfigurationError, match=r"'orders' and 'clicks' have one codec object"):
        plans(end(one, "a"), end(other, "b"))
    with collecting():
        sink = kafka("clicks").to_kafka("localhost:1", "b", codec)
    with pytest.raises(ConfigurationError, match="make a codec for each"):
        plans(end(one, "a"), sink)


def test_one_pipeline_may_use_a_codec_object_wherever_it_likes() -> None:
    codec = JsonCodec()
    stream = kafka(codec_type=codec)
    with collecting():
        ends = [stream.to_kafka("localhost:1", topic, codec) for topic in ("a", "b")]
    ((pipeline,),) = [domain.pipelines for domain in plans(*ends)]
    assert len(pipeline.outputs) == 2


@pytest.mark.parametrize(
    ("stream", "operator"),
    [
        (kafka().filter(lambda b: b), FilterOperator),
        (kafka().map(lambda b: b), MapOperator),
        (kafka().flat_map(lambda b: b), FlatMapOperator),
        (kafka().select("a"), SelectOperator),
        (kafka().drop("a"), DropOperator),
        (kafka().rename({"a": "b"}), RenameOperator),
        (kafka().with_columns(a=1), WithColumnsOperator),
    ],
)
def test_each_step_has_its_operator_under_its_own_name(stream: Stream, operator: type) -> None:
    built = build_operator(stream.node)
    assert is_step(stream.node)
    assert isinstance(built, operator)
    assert built.name == stream.node.name


def test_a_map_that_must_not_be_repeated_is_not() -> None:
    assert not build_operator(kafka().map(lambda b: b, repeatable=False).node).repeatable


def test_what_is_no_step_has_no_operator() -> None:
    node: Terminal | Scan | Any = kafka().node
    assert not is_step(node)
    with pytest.raises(PlanError, match="no operator for Scan"):
        build_operator(node)


def test_a_source_without_a_topic_has_a_name_of_its_own() -> None:
    a, b = Stream.from_pylist([{}]).node, Stream.from_pylist([{}]).node
    assert isinstance(a, Scan)
    assert isinstance(b, Scan)
    assert topic_of(a) != topic_of(b)
