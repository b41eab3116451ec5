"""Several members of one group: what moves, and where `latest` begins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import Consumer

from sabot.errors import BrokerError
from sabot.kafka.source import KafkaSource, KafkaSourceConfig, RecordStream
from sabot.types import Record
from tests.broker import Kafka

WITHIN = 30.0


def source(kafka: Kafka, topic: str, group: str, **changes: Any) -> KafkaSource:
    given = {"fetch_max_wait_ms": 50, "auto_commit_interval_ms": 50, **changes}
    return KafkaSource(KafkaSourceConfig(kafka.bootstrap, topic, group, **given))


async def gather_into(stream: RecordStream, seen: list[Record]) -> None:
    async for record in stream:
        seen.append(record)


async def reached(condition: Any) -> None:
    async with asyncio.timeout(WITHIN):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - the broker's state
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("options", [{}, {"partition.assignment.strategy": "range"},
                                     {"group.protocol": "consumer"}])  # fmt: skip
async def test_latest_begins_at_one_baseline_for_all_members(
    kafka: Kafka, options: dict[str, Any]
) -> None:
    topic, group = kafka.create_topic(kafka.unique("t"), 4), kafka.unique("g")
    for partition in range(4):
        kafka.produce(topic, [{"old": partition}], partition=partition)
    sources = [source(kafka, topic, group, consumer_config=options) for _ in range(2)]
    seen: list[list[Record]] = [[], []]
    tasks = [
        asyncio.create_task(gather_into(each.stream(), records))
        for each, records in zip(sources, seen, strict=True)
    ]
    await asyncio.to_thread(kafka.await_group, group, 2)
    await reached(lambda: len(kafka.committed(group, topic)) == 4)
    for partition in range(4):
        kafka.produce(topic, [{"new": partition}] * 5, partition=partition)
    await reached(lambda: len(seen[0]) + len(seen[1]) >= 20)
    for each in sources:
        await each.aclose()
    await asyncio.gather(*tasks)
    assert all("new" in record.value for records in seen for record in records)
    assert {record.partition for records in seen for record in records} == {0, 1, 2, 3}
    assert all(seen), "both members had partitions"


async def test_a_member_that_comes_takes_over_without_repeats_or_losses(kafka: Kafka) -> None:
    topic, group = kafka.create_topic(kafka.unique("t"), 4), kafka.unique("g")
    first, second = (source(kafka, topic, group, auto_offset_reset="earliest") for _ in range(2))
    seen: list[Record] = []
    tasks = [asyncio.create_task(gather_into(first.stream(), seen))]
    for partition in range(4):
        kafka.produce(topic, [{"n": n} for n in range(50)], partition=partition)
    await reached(lambda: len(seen) == 200)
    # All of it is finished, since the task asks for the next record at once.
    tasks.append(asyncio.create_task(gather_into(second.stream(), seen)))
    await asyncio.to_thread(kafka.await_group, group, 2)
    await reached(lambda: sum(kafka.committed(group, topic).values()) == 200)
    for partition in range(4):
        kafka.produce(topic, [{"n": n} for n in range(50, 60)], partition=partition)
    await reached(lambda: len(seen) >= 240)
    await first.aclose()
    await second.aclose()
    await asyncio.gather(*tasks)
    places = [(record.partition, record.offset) for record in seen]
    assert sorted(places) == [(partition, offset) for partition in range(4) for offset in range(60)]


async def test_an_unlike_member_of_the_group_is_an_error(kafka: Kafka) -> None:
    topic, group = kafka.create_topic(kafka.unique("t"), 1), kafka.unique("g")
    other = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "partition.assignment.strategy": "roundrobin",
            "log_level": 0,
        }
    )
    other.subscribe([topic])
    await reached(lambda: other.poll(0.1) is not None or bool(other.assignment()))
    try:
        async with asyncio.timeout(WITHIN):
            with pytest.raises(BrokerError, match="partition_assignment_strategy") as failed:
                await anext(source(kafka, topic, group).stream())
        assert repr(group) in str(failed.value)
    finally:
        other.close()
