from __future__ import annotations

from typing import Any

import pytest

from sabot.api.stream import OutputStream, Stream
from sabot.app.app import App
from sabot.errors import ConfigurationError
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from sabot.plan.nodes import Terminal
from sabot.plan.outputs import collecting
from sabot.runtime.compile import compile_outputs
from sabot.runtime.replays import meant_for
from sabot.types import RawBatch, TopicPartition
from tests.records import ReadRecord, raw_of

RETRIES = TopicPartition("orders-retry", 0)


def sent_back(*steps: str | None) -> RawBatch:
    return raw_of(
        [
            ReadRecord(
                b"{}",
                RETRIES,
                number,
                extra=() if step is None else (("sabot-step", step.encode()),),
            )
            for number, step in enumerate(steps)
        ]
    )


def orders(**options: Any) -> Stream:
    return Stream.from_kafka("localhost:1", "orders", "g", **options)


def ends_of(*outputs: OutputStream) -> list[Terminal]:
    return [output.output.node for output in outputs]


@pytest.fixture
def ends() -> list[Terminal]:
    """Two branches behind one step, each with a step of its own."""
    with collecting():
        shared = orders(retry_topic="orders-retry").map(lambda b: b, name="shared")
        one = shared.filter(lambda b: b["n"] > 0, name="left").to_kafka("localhost:1", "a")
        other = shared.map(lambda b: b, name="right").to_kafka("localhost:1", "b")
    return ends_of(one, other)


def test_a_record_takes_the_branches_that_have_its_step(ends: list[Terminal]) -> None:
    raw = sent_back("left", "right", "shared", "source", "to_kafka:a", "to_kafka:b")
    taken = [[r.offset() for r in meant_for(end, ends)(raw).records] for end in ends]
    assert taken == [[0, 2, 3, 4], [1, 2, 3, 5]]


def test_one_that_names_no_step_or_one_that_is_gone_takes_all(ends: list[Terminal]) -> None:
    raw = sent_back(None, "gone")
    assert [meant_for(end, ends)(raw) for end in ends] == [raw, raw]


def test_what_is_not_for_a_branch_counts_as_done_in_it(ends: list[Terminal]) -> None:
    part = meant_for(ends[0], ends)(sent_back("right", "right"))
    assert len(part) == 0
    assert part.next_offsets == {RETRIES: 2}
    assert part.epochs == {RETRIES: 1}


def test_the_retry_topic_is_read_from_its_beginning_by_the_same_consumer() -> None:
    with collecting():
        output = orders(retry_topic="orders-retry").to_kafka("localhost:1", "a").output
    ((pipeline,),) = [domain.pipelines for domain in compile_outputs([output])]
    sources: list[Any] = [scan.source for scan in pipeline.scans]
    assert [(s.topic, s.auto_offset_reset, s.is_retry) for s in sources] == [
        ("orders", "latest", False),
        ("orders-retry", "earliest", True),
    ]


def test_a_topic_is_not_its_own_retry_topic() -> None:
    with pytest.raises(ConfigurationError, match="is the topic itself"):
        orders(retry_topic="orders")
    with pytest.raises(ConfigurationError, match="retry_topic is 'a b'"):
        orders(retry_topic="a b")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_agents_on_one_retry_topic_take_what_names_themselves() -> None:
    async def handler(stream: Any) -> None: ...

    with collecting():
        app = App("g", broker="localhost:1")
        for name, retries in (("one", "orders-retry"), ("two", "orders-retry"), ("three", "else")):
            app.agent("orders", name=name, retry_topic=retries)(handler)
        ends = [output.node for output in app.outputs]
    # A step of who reads another retry topic is gone here: rather taken twice than lost.
    raw = sent_back("agent:one", "agent:two", "agent:three", "source")
    taken = [[r.offset() for r in meant_for(end, ends)(raw).records] for end in ends[:2]]
    assert taken == [[0, 2, 3], [1, 2, 3]]


def test_a_source_of_records_has_no_retry_topic() -> None:
    config = KafkaSourceConfig("localhost:1", "orders", "g", retry_topic="orders-retry")
    with pytest.raises(ConfigurationError, match="a KafkaSource has no retry_topic"):
        KafkaSource(config)
