"""What cannot work says so within the stated time, and names what to change."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from sabot.errors import BrokerUnavailableError, ConfigurationError, TopicNotFoundError
from sabot.kafka.connect import check_cluster, client_errors, open_consumer, open_producer
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from tests.broker import Kafka


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


async def refusal(config: KafkaSourceConfig) -> tuple[Exception, float]:
    started = time.monotonic()
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the caller looks closer
        await anext(KafkaSource(config).stream())
    return refused.value, time.monotonic() - started


async def test_a_broker_that_is_not_there(nobody: str) -> None:
    error, took = await refusal(KafkaSourceConfig(nobody, "t", "g", connect_timeout_seconds=1.0))
    assert isinstance(error, BrokerUnavailableError)
    assert f"no broker at '{nobody}' answered within 1 s" in str(error)
    assert "Connection refused" in str(error)
    assert 0.9 < took < 4


async def test_a_broker_that_never_answers(silent: str) -> None:
    error, took = await refusal(KafkaSourceConfig(silent, "t", "g", connect_timeout_seconds=1.0))
    assert isinstance(error, BrokerUnavailableError)
    assert f"no broker at '{silent}' answered within 1 s" in str(error)
    assert took < 4


async def test_a_topic_that_does_not_exist(kafka: Kafka) -> None:
    near = kafka.create_topic(kafka.unique("payments-in"), 1)
    missing = near.replace("payments", "paymants")
    error, took = await refusal(
        KafkaSourceConfig(kafka.bootstrap, missing, "g", connect_timeout_seconds=1.0)
    )
    assert isinstance(error, TopicNotFoundError)
    assert f"topic '{missing}' does not exist at '{kafka.bootstrap}' after 1 s" in str(error)
    assert f"'{near}'" in str(error)
    assert f"--create --topic {missing}" in str(error)
    assert 0.9 < took < 4
    assert missing not in kafka.admin.list_topics(timeout=5).topics


async def test_credentials_that_are_refused(kafka: Kafka) -> None:
    config = KafkaSourceConfig.from_options(
        kafka.sasl_bootstrap,
        "t",
        "g",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="alice",
        sasl_plain_password="wrong",
    )
    error, took = await refusal(config)
    assert isinstance(error, ConfigurationError)
    assert "refused the credentials of user 'alice'" in str(error)
    assert "wrong" not in str(error)
    assert took < 5


async def test_credentials_that_are_right(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 1)
    kafka.produce(topic, [{"n": 1}])
    config = KafkaSourceConfig.from_options(
        kafka.sasl_bootstrap,
        topic,
        kafka.unique("g"),
        auto_offset_reset="earliest",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="alice",
        sasl_plain_password="alice-secret",
    )
    async with KafkaSource(config).stream() as stream:
        assert (await anext(stream)).value == {"n": 1}


def test_settings_that_do_not_go_together() -> None:
    properties = {
        "bootstrap.servers": "localhost:9092",
        "group.id": "g",
        "session.timeout.ms": 60000,
        "max.poll.interval.ms": 1000,
    }
    with pytest.raises(ConfigurationError, match=r"cannot be made with these settings: .*must be"):
        open_consumer(properties, client_errors(properties))


def test_an_empty_group_is_refused_before_the_client_ends_the_process() -> None:
    with pytest.raises(ConfigurationError, match="group_id is empty"):
        open_consumer({"group.id": ""}, client_errors({}))


def test_a_producer_waits_for_a_topic_in_the_making(kafka: Kafka) -> None:
    topic = kafka.create_topic(kafka.unique("t"), 3)
    properties = {"bootstrap.servers": kafka.bootstrap}
    errors = client_errors(properties)
    producer = open_producer(properties, errors)
    assert check_cluster(producer, [topic], timeout=5, errors=errors) == {topic: [0, 1, 2]}
