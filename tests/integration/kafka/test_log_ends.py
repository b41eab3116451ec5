"""Where logs end, by a client of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from sabot.kafka.embedded import resolve_bootstrap, stop_embedded
from sabot.kafka.log_ends import UNKNOWN, LogEnds
from sabot.types import TopicPartition
from tests.broker import Kafka
from tests.until import until


@pytest.fixture
def ends(kafka: Kafka) -> Iterator[LogEnds]:
    found = LogEnds(
        {"bootstrap.servers": kafka.bootstrap, "group.id": "g", "client.id": "c"},
        threading.Event(),
    )
    yield found
    found.close()


def test_all_partitions_are_answered_for_at_once(kafka: Kafka, ends: LogEnds) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 2)
    kafka.produce(topic, [1, 2, 3], partition=1)
    both = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    assert ends.ask(both, 5.0) == {both[0]: 0, both[1]: 3}
    assert ends.ask([], 5.0) == {}


def test_what_an_open_transaction_wrote_is_not_there_yet(kafka: Kafka, ends: LogEnds) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    kafka.produce(topic, [1], partition=0)
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("x")}
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"2", partition=0)
    producer.flush(20)
    tp = TopicPartition(topic, 0)
    assert ends.ask([tp], 5.0) == {tp: 1}
    producer.commit_transaction(20)
    # The record and the marker behind it, which follows soon.
    until(lambda: ends.ask([tp], 5.0) == {tp: 3}, what="the end behind the transaction")


def test_a_partition_that_does_not_exist_is_no_silence(kafka: Kafka, ends: LogEnds) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    tp = TopicPartition(topic, 7)
    assert ends.ask([tp], 3.0) == {tp: UNKNOWN}


def test_a_cluster_that_is_not_there_is_silent() -> None:
    ends = LogEnds({"bootstrap.servers": "127.0.0.1:1", "group.id": "g"}, threading.Event())
    tp = TopicPartition("t", 0)
    assert ends.ask([tp], 1.0) == {tp: None}
    assert not ends.cluster_answers("t", 1.0)
    ends.close()


def test_the_embedded_broker_answers_too() -> None:
    bootstrap = resolve_bootstrap("embedded://")
    try:
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce("t", b"1", partition=0)
        assert producer.flush(20) == 0
        ends = LogEnds({"bootstrap.servers": bootstrap, "group.id": "g"}, threading.Event())
        tp = TopicPartition("t", 0)
        assert ends.ask([tp], 5.0) == {tp: 1}
        assert ends.cluster_answers("t", 5.0)
        ends.close()
    finally:
        stop_embedded()
