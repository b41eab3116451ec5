from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests.broker import Kafka
from tests.until import until


def test_what_is_produced_can_be_read_with_key_timestamp_and_headers(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("round-trip"), partitions=2)
    taken = kafka.produce(
        topic,
        [{"n": 1}, b"raw", None],
        keys=["a", "b", None],
        timestamps=[1_000, 2_000, 3_000],
        partition=1,
        headers=[("h", b"1")],
    )
    read = kafka.read(topic, 3)
    assert [m.offset() for m in taken] == [0, 1, 2]
    assert [m.value() for m in read] == [b'{"n": 1}', b"raw", None]
    assert [m.key() for m in read] == [b"a", b"b", None]
    assert [m.timestamp()[1] for m in read] == [1_000, 2_000, 3_000]
    assert read[0].headers() == [("h", b"1")]
    assert kafka.end_offsets(topic) == {0: 0, 1: 3}
    kafka.delete_records(topic, {1: 2})
    assert kafka.begin_offsets(topic) == {0: 0, 1: 2}


def test_records_of_an_aborted_transaction_are_not_read(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("aborted"), partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"gone")
    producer.flush(30)
    producer.abort_transaction(30)
    kafka.produce(topic, [b"kept"])
    assert [m.value() for m in kafka.read_all(topic)] == [b"kept"]
    both = kafka.read_all(topic, isolation="read_uncommitted")
    assert [m.value() for m in both] == [b"gone", b"kept"]


def test_a_group_is_seen_with_its_members_and_its_commits(kafka: Kafka) -> None:
    topic, group = kafka.create_topic(kafka.unique("group")), kafka.unique("g")
    assert kafka.group_members(group) == []
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "client.id": "me",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.subscribe([topic])
        kafka.produce(topic, [b"x"], partition=2)
        message = until(lambda: consumer.poll(0.1), what="message")
        kafka.await_group(group)
        assert [m.client_id for m in kafka.group_members(group)] == ["me"]
        consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()
    assert kafka.committed(group, topic) == {2: 1}
    kafka.await_group(group, members=0)


def test_a_topic_that_nobody_created_stays_missing_when_asked_for(kafka: Kafka) -> None:
    topic = kafka.unique("missing")
    assert kafka.admin.list_topics(topic, timeout=10).topics[topic].error is not None
    assert kafka.partitions(topic) == []
    with pytest.raises(AssertionError, match="there is no topic"):
        kafka.read_all(topic)


@pytest.mark.parametrize(("password", "accepted"), [("alice-secret", True), ("wrong", False)])
def test_the_second_listener_checks_credentials(
    kafka: Kafka, password: str, accepted: bool
) -> None:
    errors: list[str] = []
    client = AdminClient(
        {
            "bootstrap.servers": kafka.sasl_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "alice",
            "sasl.password": password,
            "error_cb": lambda error: errors.append(error.name()),
            "log_level": 0,
        }
    )
    if accepted:
        assert client.list_topics(timeout=10).brokers
    else:
        until(lambda: client.poll(0.1) is not None and "_AUTHENTICATION" in errors, what="refusal")
