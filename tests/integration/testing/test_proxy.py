"""Each fault of the proxy, as a plain client of a real broker sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from sabot.testing import (
    FaultProxy,
    blackhole_response,
    delay,
    disconnect,
    disconnect_after,
    drop,
    hold,
)
from tests.broker import Kafka
from tests.until import until

QUIET = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}


class Writer:
    """A plain producer behind the proxy, and what became of its records."""

    def __init__(self, bootstrap: str, topic: str, **options: Any) -> None:
        self.topic = topic
        self.arrived: list[bytes] = []
        self.failed: list[KafkaError] = []
        dotted = {name.replace("_", "."): value for name, value in options.items()}
        self.client = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **QUIET, **dotted})

    def send(self, value: bytes) -> None:
        self.client.produce(self.topic, value, partition=0, on_delivery=self._reported)

    def _reported(self, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.arrived.append(message.value())
        else:
            self.failed.append(error)

    def await_arrived(self, count: int) -> None:
        def there() -> bool:
            self.client.poll(0.02)
            assert not self.failed, self.failed
            return len(self.arrived) >= count

        until(there, what=f"{count} records at the broker")


@pytest.fixture
def broker(kafka_behind_proxy: Kafka) -> Kafka:
    return kafka_behind_proxy


@pytest.fixture
def topic(broker: Kafka) -> str:
    return broker.create_topic(broker.unique("proxy"), partitions=1)


@pytest.fixture
def writer(proxy: FaultProxy, topic: str) -> Iterator[Writer]:
    made = Writer(proxy.bootstrap, topic)
    made.send(b"first")
    made.await_arrived(1)
    yield made
    proxy.heal()
    made.client.flush(30)


def values(broker: Kafka, topic: str, **options: Any) -> list[bytes | None]:
    return [message.value() for message in broker.read_all(topic, **options)]


def transactional(proxy: FaultProxy, name: str) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": proxy.bootstrap,
            "transactional.id": name,
            "client.id": name,
            "socket.timeout.ms": 1000,
            "transaction.timeout.ms": 20_000,
            **QUIET,
        }
    )
    producer.init_transactions(30)
    return producer


def test_a_client_stays_behind_the_proxy_for_all_it_does(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    assert proxy.seen("Produce") == 1
    assert proxy.requests["Metadata"] >= 1
    assert proxy.connections >= 1
    assert values(broker, topic) == [b"first"]


def test_after_a_cut_records_wait_and_after_heal_they_arrive(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    proxy.cut()
    assert proxy.connections == 0
    with pytest.raises(KafkaException, match="_TRANSPORT"):
        Producer({"bootstrap.servers": proxy.bootstrap, **QUIET}).list_topics(timeout=1)
    writer.send(b"second")
    assert writer.client.flush(0.3) == 1
    assert values(broker, topic) == [b"first"]
    proxy.heal()
    writer.await_arrived(2)
    assert values(broker, topic) == [b"first", b"second"]


def test_a_reset_is_survived_by_a_new_connection(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    asked = proxy.seen("ApiVersions")
    proxy.reset()
    writer.send(b"second")
    writer.await_arrived(2)
    assert proxy.seen("ApiVersions") > asked


@pytest.mark.parametrize("direction", ["to_broker", "to_client", "both"])
def test_in_a_blackhole_nothing_is_reported_until_heal(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str, direction: str
) -> None:
    proxy.blackhole(direction)
    seen = proxy.seen("Produce")
    writer.send(b"second")
    proxy.wait_seen("Produce", seen + 1)
    if direction == "to_client":
        until(lambda: broker.end_offsets(topic) == {0: 2}, what="the record at the broker")
    assert writer.client.flush(0.3) == 1
    if direction != "to_client":
        assert broker.end_offsets(topic) == {0: 1}
    proxy.heal()
    writer.await_arrived(2)
    assert values(broker, topic) == [b"first", b"second"]


def test_latency_is_felt_and_ends_with_heal_for_what_is_under_way(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    proxy.latency(600.0)
    writer.send(b"second")
    proxy.wait_seen("Produce", 2)
    assert writer.client.flush(0.2) == 1
    proxy.heal()
    writer.await_arrived(2)


def test_a_slow_network_drips_and_heals(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    proxy.slow(200.0)
    writer.send(bytes(500_000))
    proxy.wait_seen("Produce", 2)
    assert writer.client.flush(0.3) == 1
    proxy.heal()
    writer.await_arrived(2)


def test_the_nth_produce_is_dropped_and_sent_again_by_its_client(
    proxy: FaultProxy, broker: Kafka, topic: str
) -> None:
    writer = Writer(proxy.bootstrap, topic, socket_timeout_ms=1000, request_timeout_ms=800)
    rule = proxy.on("Produce", drop(), nth=2)
    for number in range(3):
        writer.send(b"%d" % number)
        writer.await_arrived(number + 1)
    assert rule.fired == 1
    assert proxy.seen("Produce") == 4
    assert values(broker, topic) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("action", [disconnect(), disconnect_after()])
def test_a_connection_lost_at_a_produce_costs_an_idempotent_producer_nothing(
    proxy: FaultProxy, broker: Kafka, topic: str, action: Any
) -> None:
    writer = Writer(proxy.bootstrap, topic, enable_idempotence=True)
    rule = proxy.on("Produce", action)
    writer.send(b"only")
    writer.await_arrived(1)
    assert rule.fired == 1
    assert proxy.seen("Produce") == 2
    assert values(broker, topic) == [b"only"]


def test_a_lost_answer_makes_a_plain_producer_write_twice(
    proxy: FaultProxy, broker: Kafka, topic: str
) -> None:
    writer = Writer(proxy.bootstrap, topic, socket_timeout_ms=1000, request_timeout_ms=800)
    rule = proxy.on("Produce", blackhole_response())
    writer.send(b"twice")
    writer.await_arrived(1)
    assert rule.fired == 1
    assert values(broker, topic) == [b"twice", b"twice"]


def test_a_delayed_request_arrives_late(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    proxy.on("Produce", delay(600.0))
    writer.send(b"late")
    until(lambda: proxy.held == 1, what="a held request")
    assert broker.end_offsets(topic) == {0: 1}
    proxy.release()
    writer.await_arrived(2)
    assert proxy.held == 0


def test_a_delayed_request_of_a_client_that_hung_up_is_lost(
    proxy: FaultProxy, broker: Kafka, topic: str
) -> None:
    writer = Writer(proxy.bootstrap, topic, message_timeout_ms=500, socket_timeout_ms=1000)
    proxy.on("Produce", delay(600.0), times=None)
    writer.send(b"gone")
    until(lambda: proxy.held > 0, what="a held request")
    until(lambda: writer.client.poll(0.05) and writer.failed, what="a failure")
    proxy.cut()
    proxy.heal()
    until(lambda: proxy.held == 0, what="nothing held")
    assert broker.end_offsets(topic) == {0: 0}


def test_a_rule_may_be_for_one_client(proxy: FaultProxy, broker: Kafka, topic: str) -> None:
    rule = proxy.on("Produce", hold(), times=None, client="slow")
    quick = Writer(proxy.bootstrap, topic, client_id="quick-one")
    slow = Writer(proxy.bootstrap, topic, client_id="slow-one")
    slow.send(b"slow")
    rule.wait()
    quick.send(b"quick")
    quick.await_arrived(1)
    assert values(broker, topic) == [b"quick"]
    proxy.heal()
    slow.await_arrived(1)
    assert values(broker, topic) == [b"quick", b"slow"]


def test_a_late_end_of_a_transaction_reaches_the_broker_after_its_client_has_gone(
    proxy: FaultProxy, broker: Kafka, topic: str
) -> None:
    name = broker.unique("late")
    producer = transactional(proxy, name)
    rule = proxy.on("EndTxn", hold(), client=name, times=None)
    producer.begin_transaction()
    producer.produce(topic, b"late")
    producer.flush(10)
    with pytest.raises(KafkaException) as refused:
        producer.commit_transaction(3)
    assert refused.value.args[0].retriable()
    assert rule.fired >= 1
    # Nobody is at the client's end any more; the request still is on its way.
    del producer
    proxy.cut()
    assert proxy.held >= 1
    assert values(broker, topic) == []
    proxy.heal()
    until(lambda: values(broker, topic) == [b"late"], what="the committed record")


def test_every_request_of_a_transaction_with_its_offsets_is_seen(
    proxy: FaultProxy, broker: Kafka, topic: str
) -> None:
    group = broker.unique("txn-group")
    consumer = Consumer(
        {
            "bootstrap.servers": proxy.bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 100,
            **QUIET,
        }
    )
    producer = transactional(proxy, group)
    broker.produce(topic, [b"in"], partition=0)
    try:
        consumer.subscribe([topic])
        until(lambda: consumer.poll(0.1), what="a record")
        producer.begin_transaction()
        producer.produce(topic, b"out")
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, 1)], consumer.consumer_group_metadata(), 10
        )
        producer.commit_transaction(10)
        consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
        proxy.wait_seen("Heartbeat", 1)
    finally:
        consumer.close()
    for api in (
        "Produce Fetch OffsetCommit EndTxn JoinGroup SyncGroup TxnOffsetCommit AddOffsetsToTxn "
        "InitProducerId"
    ).split():
        assert proxy.seen(api) >= 1, (api, proxy.requests)


def test_the_heartbeat_of_the_new_group_protocol_is_seen(
    proxy: FaultProxy, broker: Kafka, topic: str
) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": proxy.bootstrap,
            "group.id": broker.unique("kip-848"),
            "group.protocol": "consumer",
            **QUIET,
        }
    )
    try:
        consumer.subscribe([topic])
        consumer.poll(0)
        proxy.wait_seen("ConsumerGroupHeartbeat", 1)
    finally:
        consumer.close()


def test_controls_may_be_used_by_many_threads_at_once(
    proxy: FaultProxy, writer: Writer, broker: Kafka, topic: str
) -> None:
    def shake() -> None:
        for _ in range(10):
            proxy.cut()
            proxy.heal()
            proxy.reset()

    threads = [threading.Thread(target=shake) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.heal()
    writer.send(b"second")
    writer.await_arrived(2)
