"""The small deeds of the command line, on a real broker."""

from __future__ import annotations

import pytest

from sabot.errors import BrokerError, TopicNotFoundError
from sabot.kafka.admin import create_topic, end_offsets, list_topics, send, tail
from sabot.types import TopicPartition
from tests.broker import Kafka


def test_a_record_sent_is_where_it_says(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 2)
    partition, offset = send(kafka.bootstrap, topic, b"1", key=b"k", headers=[("h", None)])
    assert end_offsets(kafka.bootstrap, topic)[TopicPartition(topic, partition)] == offset + 1
    (record,) = tail(kafka.bootstrap, topic, from_beginning=True, limit=1)
    assert (record.value, record.key, record.headers) == (b"1", b"k", [("h", None)])


def test_tail_begins_at_the_end(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    send(kafka.bootstrap, topic, b"old")
    records = tail(kafka.bootstrap, topic, from_beginning=True)
    assert next(records).value == b"old"
    send(kafka.bootstrap, topic, b"new")
    assert next(records).value == b"new"
    records.close()  # type: ignore[attr-defined]


def test_a_topic_is_created_once(kafka: Kafka) -> None:
    topic = kafka.unique("t")
    assert create_topic(kafka.bootstrap, topic, 3, config={"cleanup.policy": "compact"})
    assert not create_topic(kafka.bootstrap, topic, 3)
    assert list_topics(kafka.bootstrap)[topic] == 3
    with pytest.raises(BrokerError, match="cannot be created"):
        create_topic(kafka.bootstrap, kafka.unique("t"), 1, config={"no.such": "x"})


def test_a_missing_topic_is_named(kafka: Kafka) -> None:
    missing = kafka.unique("missing")
    with pytest.raises(TopicNotFoundError, match=missing):
        send(kafka.bootstrap, missing, b"1", timeout=1)
    with pytest.raises(TopicNotFoundError, match=missing):
        list(tail(kafka.bootstrap, missing, limit=1, timeout=1))
