"""Who is in a consumer group, and which partitions each has; asked from outside the group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sabot.errors import BrokerError, BrokerUnavailableError
from sabot.kafka.client_errors import is_passing
from sabot.kafka.connect import client_errors, open_admin
from sabot.kafka.properties import connection_properties
from sabot.types import TopicPartition

__all__ = ["GroupMember", "GroupMembership"]

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a group.

    Attributes:
        id: What the group's coordinator calls it.
        partitions: What it has been assigned.
    """

    id: str
    partitions: frozenset[TopicPartition]


class GroupMembership:
    """Asks a group's coordinator with a client of its own; may be called by any thread.

    Args:
        properties: Of a consumer of the group: how to reach the cluster, and ``group.id``.
        timeout: Seconds until a cluster that does not answer is an error.
    """

    def __init__(self, properties: Mapping[str, Any], timeout: float = _TIMEOUT) -> None:
        self._group = str(properties["group.id"])
        self._timeout = timeout
        connection = connection_properties(properties)
        self._client = open_admin(connection, client_errors(connection))

    def members(self) -> list[GroupMember] | None:
        """Return the members, or ``None`` while the group deals its partitions out anew.

        Raises:
            BrokerUnavailableError: If the cluster does not answer, or not now.
            BrokerError: If it refuses, as without the right to describe the group.
        """
        from confluent_kafka import ConsumerGroupState, KafkaException

        asked = self._client.describe_consumer_groups([self._group], request_timeout=self._timeout)
        try:
            found = asked[self._group].result()
        except KafkaException as error:
            failure = BrokerUnavailableError if is_passing(error.args[0]) else BrokerError
            raise failure(
                f"the members of group {self._group!r} are not known: {error.args[0].str()}; "
                "standbys need the right to describe the group (DESCRIBE)"
            ) from error
        if found.state is not ConsumerGroupState.STABLE:
            return None
        return [
            GroupMember(
                member.member_id,
                frozenset(
                    TopicPartition(each.topic, each.partition)
                    for each in member.assignment.topic_partitions
                ),
            )
            for member in found.members
        ]
