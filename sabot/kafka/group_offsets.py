"""The committed offsets of a group that nobody is in, read and set from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from sabot.errors import BrokerError, BrokerUnavailableError
from sabot.kafka.connect import check_cluster, client_errors, open_admin, open_consumer
from sabot.kafka.embedded import resolve_bootstrap
from sabot.types import TopicPartition

__all__ = ["GroupOffsets"]

_TIMEOUT = 10.0


class GroupOffsets:
    """Reads and sets a group's offsets without joining it.

    Args:
        bootstrap: The cluster.
        group: The group.
        properties: Further librdkafka properties.
    """

    def __init__(self, bootstrap: str, group: str, properties: Mapping[str, Any]) -> None:
        self.group = group
        self._properties = {
            **properties,
            "bootstrap.servers": resolve_bootstrap(bootstrap),
            "group.id": group,
            "enable.auto.commit": False,
            "client.id": "sabot-offsets",
        }
        self._errors = client_errors(self._properties)

    def require_empty(self) -> None:
        """Make sure that nobody is in the group.

        Raises:
            BrokerError: If somebody is: offsets set now would be overwritten.
        """
        from confluent_kafka import KafkaException

        connection = {
            name: value
            for name, value in self._properties.items()
            if name not in ("group.id", "enable.auto.commit")
        }
        admin = open_admin(connection, self._errors)
        try:
            described = admin.describe_consumer_groups([self.group], request_timeout=_TIMEOUT)
            members = described[self.group].result().members
        except KafkaException as error:
            if error.args[0].name() == "GROUP_ID_NOT_FOUND":
                return
            raise BrokerError(
                f"group {self.group!r} cannot be described: {error.args[0].str()}"
            ) from error
        if members:
            names = ", ".join(f"{member.client_id} at {member.host}" for member in members)
            raise BrokerError(
                f"group {self.group!r} has {len(members)} members ({names}); stop them first: "
                "they would overwrite what is set now"
            )

    def committed(self, topic: str) -> dict[TopicPartition, tuple[int, str]]:
        """Return offset and metadata of each partition that has a commit."""
        with _open(self._properties, self._errors) as consumer:
            partitions = self._partitions(consumer, topic)
            answer = _asked(lambda: consumer.committed(partitions, timeout=_TIMEOUT))
            return {
                TopicPartition(each.topic, each.partition): (each.offset, each.metadata or "")
                for each in answer
                if each.offset >= 0
            }

    def bounds(self, topic: str) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return the first offset and the end of each partition."""
        low: dict[TopicPartition, int] = {}
        high: dict[TopicPartition, int] = {}
        with _open(self._properties, self._errors) as consumer:
            for each in self._partitions(consumer, topic):
                place = TopicPartition(each.topic, each.partition)
                low[place], high[place] = _asked(
                    lambda each=each: consumer.get_watermark_offsets(each, timeout=_TIMEOUT)
                )
        return low, high

    def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Set offsets and what is noted beside them.

        Raises:
            BrokerError: If the cluster refuses.
        """
        from confluent_kafka import TopicPartition as ClientPartition

        wanted = [
            ClientPartition(tp.topic, tp.partition, offset, metadata=text)
            for tp, (offset, text) in offsets.items()
        ]
        with _open(self._properties, self._errors) as consumer:
            for each in _asked(lambda: consumer.commit(offsets=wanted, asynchronous=False)):
                if each.error is not None:
                    raise BrokerError(
                        f"{each.topic}[{each.partition}]@{each.offset} of group {self.group!r} "
                        f"cannot be set: {each.error.str()}"
                    )

    def _partitions(self, consumer: Any, topic: str) -> list[Any]:
        from confluent_kafka import TopicPartition as ClientPartition

        numbers = check_cluster(consumer, [topic], timeout=_TIMEOUT, errors=self._errors)
        return [ClientPartition(topic, number) for number in numbers[topic]]


@contextlib.contextmanager
def _open(properties: Mapping[str, Any], errors: Any) -> Iterator[Any]:
    """Lend a consumer that joins nothing."""
    consumer = open_consumer(properties, errors)
    try:
        yield consumer
    finally:
        consumer.close()


def _asked(question: Any) -> Any:
    from confluent_kafka import KafkaException

    try:
        return question()
    except KafkaException as error:
        raise BrokerUnavailableError(f"the cluster refuses: {error.args[0].str()}") from error
