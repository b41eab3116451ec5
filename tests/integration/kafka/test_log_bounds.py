"""Where a log begins and ends, as the real broker says."""

from __future__ import annotations

import os
import signal
import time

import pytest
from confluent_kafka.admin import NewTopic

from sabot.errors import BrokerError, BrokerUnavailableError
from sabot.kafka.log_bounds import LogBounds
from sabot.types import TopicPartition
from tests.broker import Kafka
from tests.conftest import own_broker_process


def test_both_ends_of_a_log_move(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 2)
    ends = LogBounds({"bootstrap.servers": kafka.bootstrap})
    assert ends.of(TopicPartition(topic, 1)) == (0, 0)
    kafka.produce(topic, [b"."] * 5, partition=1)
    kafka.delete_records(topic, {1: 2})
    assert ends.of(TopicPartition(topic, 1)) == (2, 5)
    assert ends.of(TopicPartition(topic, 0)) == (0, 0)


def test_the_first_since_a_time_is_the_end_where_all_is_older(kafka: Kafka) -> None:
    place = TopicPartition(kafka.create_topic(kafka.unique("t"), 1), 0)
    now = time.time()
    stamps = [int((now - ago) * 1000) for ago in (300, 200, 100)]
    kafka.produce(place.topic, [b"."] * 3, timestamps=stamps)
    ends = LogBounds({"bootstrap.servers": kafka.bootstrap})
    assert [ends.first_since(place, now - ago) for ago in (400, 250, 50)] == [0, 1, 3]


def test_a_partition_that_is_not_there_is_an_error_that_names_it(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    with pytest.raises(BrokerError, match=rf"{topic}\[7\]"):
        LogBounds({"bootstrap.servers": kafka.bootstrap}, timeout=1).of(TopicPartition(topic, 7))


def test_a_cluster_that_does_not_answer_is_an_error_that_passes() -> None:
    with pytest.raises(BrokerUnavailableError, match=r"t\[0\]"):
        LogBounds({"bootstrap.servers": "localhost:1"}, timeout=0.5).of(TopicPartition("t", 0))


def test_a_frozen_broker_is_silent_and_its_logs_are_not_empty() -> None:
    with own_broker_process() as (broker, kafka):
        topic = kafka.create_topic(kafka.unique("t"), 1)
        kafka.produce(topic, [b"."] * 5)
        ends = LogBounds({"bootstrap.servers": kafka.bootstrap}, timeout=2)
        place = TopicPartition(topic, 0)
        assert ends.of(place) == (0, 5)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            with pytest.raises(BrokerUnavailableError):
                ends.of(place)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert ends.of(place) == (0, 5)


def test_a_topic_that_was_just_made_has_ends_at_once(kafka: Kafka) -> None:
    ends = LogBounds({"bootstrap.servers": kafka.bootstrap})
    for _ in range(20):
        topic = kafka.unique("t")
        kafka.admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
        assert [ends.of(TopicPartition(topic, number)) for number in range(4)] == [(0, 0)] * 4
