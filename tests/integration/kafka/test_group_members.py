"""Who has what in a group, seen from outside it."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer

from sabot.errors import BrokerUnavailableError
from sabot.kafka.group_members import GroupMembership
from sabot.types import TopicPartition
from tests.broker import Kafka
from tests.until import until


def joined(kafka: Kafka, group: str, topic: str, **options: Any) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "group.protocol": options.get("protocol", "classic"),
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    until(lambda: consumer.poll(0.05) or consumer.assignment(), what="an assignment")
    return consumer


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_member_is_known_by_the_id_it_has_itself(kafka: Kafka, protocol: str) -> None:
    topic, group = kafka.create_topic(kafka.unique("t"), 3), kafka.unique("g")
    membership = GroupMembership({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer = joined(kafka, group, topic, protocol=protocol)
    kafka.await_group(group)
    (member,) = membership.members() or []
    assert member.id == consumer.memberid()
    assert member.partitions == {TopicPartition(topic, number) for number in range(3)}
    consumer.close()


def test_a_group_without_members_or_at_odds_has_none_to_tell(kafka: Kafka) -> None:
    topic, group = kafka.create_topic(kafka.unique("t"), 2), kafka.unique("g")
    membership = GroupMembership({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer = joined(kafka, group, topic)
    kafka.await_group(group)
    consumer.close()
    kafka.await_group(group, 0)
    assert membership.members() is None


def test_a_cluster_that_does_not_answer_is_an_error_that_passes() -> None:
    membership = GroupMembership({"bootstrap.servers": "localhost:1", "group.id": "g"}, timeout=0.5)
    with pytest.raises(BrokerUnavailableError, match="members of group 'g' are not known"):
        membership.members()
