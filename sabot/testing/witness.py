"""Plain clients beside the program under test: they write, read back and ask the broker.

Nothing of Sabot's own clients is used here, so that no fault of theirs can hide itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sabot.errors import BrokerUnavailableError
from sabot.kafka.client_errors import LEADER_IS_NEW
from sabot.types import Record, TopicPartition

__all__ = ["Witness"]

_TIMEOUT: Final = 30.0
_ASK_SECONDS: Final = 10.0
_AGAIN_SECONDS: Final = 0.1
_QUIET: Final = {"log_level": 0, "socket.timeout.ms": 10_000}


class Witness:
    """One cluster as seen by plain clients.

    Args:
        bootstrap: Its address.
        properties: Further librdkafka properties of all clients, such as credentials.
    """

    def __init__(self, bootstrap: str, properties: Mapping[str, Any] | None = None) -> None:
        import confluent_kafka
        import confluent_kafka.admin

        self._kafka: Any = confluent_kafka
        self._admin_api: Any = confluent_kafka.admin
        self._properties = {"bootstrap.servers": bootstrap, **_QUIET, **(properties or {})}
        # Kept for good: an admin client that goes out of scope takes its futures along.
        self._admin: Any = self._admin_api.AdminClient(self._properties)
        self._producer: Any = self._kafka.Producer(
            {**self._properties, "acks": "all", "enable.idempotence": True, "linger.ms": 5}
        )
        self._coordinated: set[str] = set()

    def write(self, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Write keys and values and wait until all have arrived.

        Raises:
            BrokerUnavailableError: If one was refused, or time ran out.
        """
        refused: list[Any] = []

        def reported(error: Any, _message: Any) -> None:
            if error is not None:
                refused.append(error)

        for key, value in records:
            while True:
                try:
                    self._producer.produce(topic, value, key, on_delivery=reported)
                except BufferError:
                    self._producer.poll(0.05)
                else:
                    break
            self._producer.poll(0)
        left = self._producer.flush(2 * _TIMEOUT)
        if refused or left:
            reason = refused[0].str() if refused else "no delivery report"
            raise BrokerUnavailableError(
                f"{len(refused) + left} records for {topic!r} did not arrive: {reason}"
            )

    def partitions(self, topic: str) -> list[int]:
        """Return the topic's partitions.

        Raises:
            BrokerUnavailableError: If there is no such topic.
        """
        # All topics, since asking for one by name may create it.
        found = self._admin.list_topics(timeout=_ASK_SECONDS).topics.get(topic)
        if found is None or not found.partitions:
            raise BrokerUnavailableError(f"there is no topic {topic!r}")
        return sorted(found.partitions)

    def ends(self, topic: str) -> dict[TopicPartition, tuple[int, int]]:
        """Return each partition's first offset and its end, open transactions included."""
        spec = self._admin_api.OffsetSpec
        firsts = self._offsets(topic, spec.earliest())
        ends = self._offsets(topic, spec.latest())
        return {tp: (firsts[tp], end) for tp, end in ends.items()}

    def _offsets(self, topic: str, spec: Any) -> dict[TopicPartition, int]:
        place = self._kafka.TopicPartition
        asked = {place(topic, number): spec for number in self.partitions(topic)}
        deadline = time.monotonic() + _TIMEOUT
        while True:
            found = self._admin.list_offsets(asked, request_timeout=_ASK_SECONDS)
            try:
                return {
                    TopicPartition(topic, each.partition): int(future.result(_TIMEOUT).offset)
                    for each, future in found.items()
                }
            except self._kafka.KafkaException as error:
                # After a restart a leader may not know yet what the client was told of it.
                if error.args[0].name() not in LEADER_IS_NEW or time.monotonic() > deadline:
                    raise
            time.sleep(_AGAIN_SECONDS)

    def committed(self, group: str, topic: str) -> dict[TopicPartition, int]:
        """Return the group's committed offsets; partitions without one are left out.

        A group whose coordinator is not there yet has committed nothing.
        """
        if group not in self._coordinated and not self._has_coordinator(group):
            return {}
        asked = [self._kafka.ConsumerGroupTopicPartitions(group)]
        future = self._admin.list_consumer_group_offsets(asked, request_timeout=_ASK_SECONDS)[group]
        try:
            answer = future.result(_TIMEOUT)
        except self._kafka.KafkaException as error:
            if error.args[0].retriable():
                return {}
            raise
        return {
            TopicPartition(topic, each.partition): int(each.offset)
            for each in answer.topic_partitions
            if each.topic == topic and each.offset >= 0
        }

    def _has_coordinator(self, group: str) -> bool:
        # On a broker that has just started the client crashes when it is asked for the
        # offsets of a group without one; describing the group is safe.
        asked = self._admin.describe_consumer_groups([group], request_timeout=_ASK_SECONDS)
        try:
            asked[group].result(_TIMEOUT)
        except self._kafka.KafkaException as error:
            if error.args[0].code() != self._kafka.KafkaError.GROUP_ID_NOT_FOUND:
                return False
        self._coordinated.add(group)
        return True

    def read(
        self, topic: str, *, committed_only: bool = True, timeout: float = 60.0
    ) -> list[Record]:
        """Return every record, partition by partition in offset order, without a group.

        It reads to the end of each partition as of now; of what is written in
        transactions only what is committed, and no further than the first open one.

        Raises:
            BrokerUnavailableError: If that takes longer than ``timeout`` seconds.
        """
        isolation = "read_committed" if committed_only else "read_uncommitted"
        consumer: Any = self._kafka.Consumer(
            {
                **self._properties,
                "group.id": "sabot-witness",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # Where the first records are deleted, from the first that is left.
                "auto.offset.reset": "earliest",
                "isolation.level": isolation,
            }
        )
        place = self._kafka.TopicPartition
        partitions = self.partitions(topic)
        found: list[Record] = []
        ended: set[int] = set()
        deadline = time.monotonic() + timeout
        try:
            consumer.assign([place(topic, number, 0) for number in partitions])
            while len(ended) < len(partitions):
                for message in (consumer.poll(0.1), *consumer.consume(10_000, 0)):
                    if message is not None:
                        self._note(message, found, ended)
                if time.monotonic() > deadline:
                    raise BrokerUnavailableError(
                        f"{len(found)} records of {topic!r} read in {timeout:g} s, and no end"
                    )
        finally:
            consumer.close()
        return sorted(found, key=lambda each: (each.partition, each.offset))

    def _note(self, message: Any, found: list[Record], ended: set[int]) -> None:
        error = message.error()
        if error is None:
            kind, stamp = message.timestamp()
            found.append(
                Record(
                    message.value(),
                    message.key(),
                    tuple(message.headers() or ()),
                    message.topic(),
                    message.partition(),
                    message.offset(),
                    stamp if kind else None,
                )
            )
        elif error.code() == self._kafka.KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        elif not error.retriable():
            raise self._kafka.KafkaException(error)
