"""What cannot work is said at the start, within the time that was given for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.errors import (
    BrokerError,
    BrokerUnavailableError,
    ConfigurationError,
    TopicNotFoundError,
)
from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.worker import Worker
from tests.broker import Kafka
from tests.until import until
from tests.workers import RunningWorker, hosted, quick

pytestmark = pytest.mark.slow

CONNECT_SECONDS = 2.0
OPTIONS: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "connect_timeout_seconds": CONNECT_SECONDS,
}


def fails(
    define: Callable[[App], Any], kafka: Kafka, group: str, code: ExitCode = ExitCode.BROKER
) -> BaseException:
    """Run an app that cannot work and return why; it may not take longer than it said."""
    started = time.monotonic()
    with hosted(define, kafka=kafka, group=group) as worker:
        # Never a hang; the rest is time to end in.
        assert worker.ends(CONNECT_SECONDS + 10) == code
        failure = worker.failure
    assert failure is not None
    assert kafka.group_members(group) == [], "it left nobody in the group"
    assert time.monotonic() - started < CONNECT_SECONDS + 10
    return failure


def test_a_missing_source_topic(kafka: Kafka) -> None:
    kafka.create_topic("first-contact-orders", 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)

    def define(app: App) -> None:
        app.stream("first-contact-order", **OPTIONS).to_kafka(app.broker, sink)

    failure = fails(define, kafka, kafka.unique("g"))
    assert isinstance(failure, TopicNotFoundError)
    assert "topic 'first-contact-order' does not exist" in str(failure)
    assert "'first-contact-orders'" in str(failure)
    assert "kafka-topics.sh" in str(failure)


def test_a_missing_sink_topic(kafka: Kafka) -> None:
    source = kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(source, [{"n": 1}])
    group, missing = kafka.unique("g"), kafka.unique("nowhere")

    def define(app: App) -> None:
        app.stream(source, **OPTIONS).to_kafka(app.broker, missing)

    failure = fails(define, kafka, group)
    assert isinstance(failure, TopicNotFoundError)
    assert f"topic {missing!r} does not exist" in str(failure)
    assert kafka.committed(group, source) == {}


def test_a_missing_dead_letter_topic(kafka: Kafka) -> None:
    source = kafka.create_topic(kafka.unique("in"), 1)
    missing = kafka.unique("nowhere")

    def define(app: App) -> None:
        policy = {"error_handling_policy": "dead_letter", "dead_letter_topic": missing}
        app.stream(source, **OPTIONS, **policy).for_each(print)

    failure = fails(define, kafka, kafka.unique("g"))
    assert isinstance(failure, TopicNotFoundError)
    assert f"topic {missing!r} does not exist" in str(failure)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_an_address_nobody_listens_at(kafka: Kafka, side: str) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"

    def define(app: App) -> None:
        rows = app.stream(
            topic, **OPTIONS, bootstrap_servers=nobody if side == "source" else kafka.bootstrap
        )
        rows.to_kafka(nobody if side == "sink" else kafka.bootstrap, topic)

    failure = fails(define, kafka, kafka.unique("g"))
    assert isinstance(failure, BrokerUnavailableError)
    assert f"no broker at {nobody!r} answered within" in str(failure)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_wrong_credentials(kafka: Kafka, side: str) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    wrong = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "alice",
        "sasl_password": "open sesame",
    }
    address = kafka.sasl_bootstrap

    def define(app: App) -> None:
        if side == "source":
            rows = app.stream(topic, **OPTIONS, **wrong, bootstrap_servers=address)
            rows.to_kafka(app.broker, topic)
        else:
            app.stream(topic, **OPTIONS).to_kafka(address, topic, **wrong)

    failure = fails(define, kafka, kafka.unique("g"), ExitCode.USAGE)
    assert isinstance(failure, ConfigurationError)
    assert "'alice'" in str(failure)
    assert "open sesame" not in str(failure)


def test_the_right_credentials(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source, sink = (kafka.create_topic(kafka.unique("t"), 1) for _ in range(2))
    right = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "alice",
        "sasl_password": "alice-secret",
    }
    address = kafka.sasl_bootstrap
    kafka.produce(source, [{"n": 1}])

    def define(app: App) -> None:
        app.stream(source, **OPTIONS, **right, bootstrap_servers=address).to_kafka(
            address, sink, **right
        )

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(1)
        assert worker.stop() == ExitCode.OK
    assert kafka.values(sink) == [{"n": 1}]


def test_an_empty_group() -> None:
    with pytest.raises(ConfigurationError, match="group_id is ''"):
        Stream.from_kafka("localhost:9092", "orders", "")


@contextmanager
def another_member(kafka: Kafka, group: str, topic: str) -> Iterator[None]:
    """A member that deals out partitions in a way no worker does by default."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "partition.assignment.strategy": "roundrobin",
        }
    )
    consumer.subscribe([topic])
    try:
        until(lambda: [consumer.poll(0.1), consumer.assignment()][1], what="its assignment")
        yield
    finally:
        consumer.close()


def test_a_group_whose_members_deal_out_partitions_otherwise(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    group = kafka.unique("g")
    with another_member(kafka, group, topic), collecting():
        output = Stream.from_kafka(kafka.bootstrap, topic, group, **OPTIONS).for_each(print)
        worker = Worker([output.output], name=group, settings=quick())
        with RunningWorker(worker) as running:
            assert running.ends(CONNECT_SECONDS + 10) == ExitCode.BROKER
            assert isinstance(running.failure, BrokerError)
            assert f"{group!r}" in str(running.failure)


def test_a_session_time_out_the_broker_does_not_allow(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)

    def define(app: App) -> None:
        options = OPTIONS | {"session_timeout_ms": 500, "heartbeat_interval_ms": 100}
        app.stream(topic, **options).for_each(print)

    failure = fails(define, kafka, kafka.unique("g"), ExitCode.USAGE)
    assert isinstance(failure, ConfigurationError)
    assert "session_timeout_ms" in str(failure)
