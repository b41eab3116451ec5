"""Where a group starts: a commit wins, then one baseline for all, then the beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as ClientPartition

from sabot.kafka.baseline import resolve_positions
from sabot.types import TopicPartition
from tests.broker import Kafka


@pytest.fixture
def topic(kafka: Kafka) -> str:
    name = kafka.create_topic(kafka.unique("t"), 3)
    for partition in range(3):
        kafka.produce(name, [{}] * (partition + 1), partition=partition)
    return name


@pytest.fixture
def group(kafka: Kafka) -> str:
    return kafka.unique("g")


@pytest.fixture
def member(kafka: Kafka, group: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    yield consumer
    consumer.close()


def test_earliest_is_the_beginning_of_each(topic: str, member: Consumer, kafka: Kafka) -> None:
    kafka.delete_records(topic, {2: 2})
    owned = [TopicPartition(topic, 0), TopicPartition(topic, 2)]
    found = resolve_positions(member, owned, "earliest")
    assert (found.starts, found.pending) == (dict(zip(owned, (0, 2), strict=True)), frozenset())


def test_latest_commits_the_ends_of_all_partitions(
    kafka: Kafka, topic: str, group: str, member: Consumer
) -> None:
    found = resolve_positions(member, [TopicPartition(topic, 0)], "latest")
    assert found.starts == {TopicPartition(topic, 0): 1}
    assert kafka.committed(group, topic) == {0: 1, 1: 2, 2: 3}


def test_who_does_not_own_the_lowest_partition_waits_for_it(
    kafka: Kafka, topic: str, group: str, member: Consumer
) -> None:
    other = TopicPartition(topic, 2)
    found = resolve_positions(member, [other], "latest")
    assert (found.starts, found.ends) == ({}, {other: 3})
    assert kafka.committed(group, topic) == {}
    resolve_positions(member, [TopicPartition(topic, 0)], "latest")
    kafka.produce(topic, [{}], partition=2)
    assert resolve_positions(member, [other], "latest").starts == {other: 3}


def test_a_partition_without_a_commit_among_others_is_new(
    kafka: Kafka, topic: str, group: str, member: Consumer
) -> None:
    member.commit(offsets=[ClientPartition(topic, 0, 1, "noted")], asynchronous=False)
    owned = [TopicPartition(topic, number) for number in range(3)]
    found = resolve_positions(member, owned, "latest")
    assert found.starts == dict(zip(owned, (1, 0, 0), strict=True))
    assert found.metadata == {owned[0]: "noted"}
    assert kafka.committed(group, topic) == {0: 1}
