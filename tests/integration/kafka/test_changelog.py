"""Changelogs on the real broker: made, checked against their source, emptied."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions

from sabot.errors import BrokerUnavailableError, StateMismatchError
from sabot.kafka.changelog import changelog_topic, ensure_changelog
from tests.broker import Kafka
from tests.until import until


@pytest.fixture
def source(kafka: Kafka) -> str:
    return kafka.create_topic(kafka.unique("source"), 3)


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return changelog_topic(kafka.unique("app"), "totals")


@pytest.fixture
def properties(kafka: Kafka) -> dict[str, Any]:
    return {"bootstrap.servers": kafka.bootstrap}


def test_it_is_made_with_the_partitions_of_its_source_and_compacted(
    kafka: Kafka, topic: str, source: str, properties: dict[str, Any]
) -> None:
    made = ensure_changelog(topic, source, properties)
    assert (made.topic, made.partitions, made.deletions_last) == (topic, 3, 86400)
    assert len(kafka.partitions(topic)) == 3
    resource = ConfigResource("topic", topic)
    config = kafka.admin.describe_configs([resource])[resource].result(10)
    assert config["cleanup.policy"].value == "compact"


def test_one_that_is_there_is_taken_as_it_is(
    topic: str, source: str, properties: dict[str, Any]
) -> None:
    assert ensure_changelog(topic, source, properties) == ensure_changelog(
        topic, source, properties
    )


def test_one_that_is_made_anew_has_another_identity(
    kafka: Kafka, topic: str, source: str, properties: dict[str, Any]
) -> None:
    before = ensure_changelog(topic, source, properties)
    kafka.admin.delete_topics([topic])[topic].result(10)
    until(lambda: not kafka.partitions(topic), what=f"end of {topic}")
    after = ensure_changelog(topic, source, properties)
    assert after.partitions == before.partitions
    assert after.identity != before.identity


def test_another_number_of_partitions_is_refused_with_both_numbers(
    kafka: Kafka, topic: str, source: str, properties: dict[str, Any]
) -> None:
    ensure_changelog(topic, source, properties)
    kafka.admin.create_partitions([NewPartitions(source, 5)])[source].result(10)
    with pytest.raises(
        StateMismatchError,
        match=rf"{topic}' has 3 partitions, and '{source}' has 5.*--state rebuil",
    ):
        ensure_changelog(topic, source, properties)


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_forgets_is_refused_with_the_command_that_helps(
    kafka: Kafka, topic: str, source: str, properties: dict[str, Any], policy: str
) -> None:
    kafka.create_topic(topic, 3, cleanup_policy=policy)
    with pytest.raises(StateMismatchError, match=f"cleanup.policy='{policy}'") as caught:
        ensure_changelog(topic, source, properties)
    command = (
        f"kafka-configs.sh --bootstrap-server {kafka.bootstrap} --alter --entity-type topics "
        f"--entity-name {topic} --add-config cleanup.policy=compact"
    )
    assert str(caught.value).endswith(command)
    # What the command does.
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("topic", topic, incremental_configs=[entry])
    kafka.admin.incremental_alter_configs([resource])[resource].result(10)
    assert ensure_changelog(topic, source, properties).partitions == 3


def test_a_cluster_that_does_not_answer_is_named(topic: str) -> None:
    with pytest.raises(BrokerUnavailableError, match="localhost:1"):
        ensure_changelog(topic, "any", {"bootstrap.servers": "localhost:1"}, timeout=0.5)
