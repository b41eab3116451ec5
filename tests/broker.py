"""What a test may ask of the real broker, apart from Sabot: an independent witness.

Everything here goes through confluent-kafka directly, so that no fault of Sabot's own
clients can hide itself.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConsumerGroupDescription,
    MemberDescription,
    NewTopic,
    OffsetSpec,
)

from sabot.kafka.client_errors import LEADER_IS_NEW
from tests.until import until

__all__ = ["Kafka"]

COORDINATOR_IS_COMING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
QUIET = {"log_level": 0, "socket.timeout.ms": 10_000}


class Kafka:
    """A real broker, and clients of its own to prepare and to check with.

    It outlives the test, so every test takes topic and group names from `unique`.

    Args:
        bootstrap: The broker's address.
        sasl_bootstrap: Its address with SASL_PLAINTEXT, if it has one.
        behind_proxy: Where the proxy on ``proxied_port`` reaches it, if it has such a
            listener.
        proxied_port: The proxy's port.
    """

    replicas = 1
    """Of the topics it makes."""

    def __init__(
        self,
        bootstrap: str,
        sasl_bootstrap: str | None = None,
        behind_proxy: str | None = None,
        proxied_port: int = 0,
    ) -> None:
        self.bootstrap = bootstrap
        self.behind_proxy = behind_proxy
        self.proxied_port = proxied_port
        self._sasl_bootstrap = sasl_bootstrap
        # Kept for good: an AdminClient that goes out of scope takes its futures along.
        self.admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
        self.producer = Producer(
            {"bootstrap.servers": bootstrap, "linger.ms": 2, "acks": "all", **QUIET}
        )
        self._numbers = itertools.count(1)
        self._coordinated: set[str] = set()

    @property
    def sasl_bootstrap(self) -> str:
        """The listener that wants credentials: user alice with alice-secret, by PLAIN."""
        if self._sasl_bootstrap is None:
            pytest.skip("SABOT_TEST_KAFKA names a broker; SABOT_TEST_KAFKA_SASL is not set")
        return self._sasl_bootstrap

    def unique(self, prefix: str) -> str:
        """Return a name nobody has used, for a topic or a group."""
        return f"{prefix}-{next(self._numbers)}-{uuid.uuid4().hex[:8]}"

    def create_topic(self, name: str, partitions: int = 4, **config: str) -> str:
        """Create a topic, wait until every partition has its leader, and return its name.

        Args:
            name: Its name.
            partitions: How many.
            **config: Topic settings with ``_`` for ``.``, such as
                ``cleanup_policy="compact"``.
        """
        settings = {key.replace("_", "."): value for key, value in config.items()}
        new = NewTopic(name, partitions, self.replicas, config=settings)
        self.admin.create_topics([new])[name].result(30)
        until(lambda: self._leads(name, partitions), what=f"leaders of {name}")
        return name

    def _leads(self, topic: str, partitions: int) -> bool:
        """Whether the leaders know themselves that they are: they hear of it last."""
        try:
            known = len(self.partitions(topic)) == partitions
            return known and len(self.end_offsets(topic)) == partitions
        except KafkaException as error:
            cause = error.args[0]
            missing = cause.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._NOENT)
            if not missing and cause.name() not in LEADER_IS_NEW:
                raise
            return False

    def partitions(self, topic: str) -> list[int]:
        """Return the partitions that have a leader; none where the topic is missing."""
        # All topics, since asking for one by name may create it.
        found = self.admin.list_topics(timeout=10).topics.get(topic)
        if found is None or found.error is not None:
            return []
        return sorted(number for number, each in found.partitions.items() if each.leader >= 0)

    def produce(
        self,
        topic: str,
        values: Iterable[Any],
        *,
        keys: Sequence[str | bytes | None] | None = None,
        timestamps: Sequence[int] | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
    ) -> list[Message]:
        """Write records and return them as the broker took them, in the order given.

        Args:
            topic: Where to.
            values: Bytes or ``None`` as they are; anything else as JSON.
            keys: One for each value.
            timestamps: One for each value, in milliseconds.
            partition: For all of them; chosen by the key if not given.
            headers: For all of them.
        """
        taken: dict[int, Message] = {}
        wrong: list[KafkaError] = []
        for index, value in enumerate(values):
            options: dict[str, Any] = {}
            if keys is not None:
                options["key"] = keys[index]
            if timestamps is not None:
                options["timestamp"] = timestamps[index]
            if partition is not None:
                options["partition"] = partition
            if headers is not None:
                options["headers"] = list(headers)

            def delivered(error: KafkaError | None, message: Message, index: int = index) -> None:
                if error is None:
                    taken[index] = message
                else:
                    wrong.append(error)

            self._offer(topic, as_bytes(value), delivered, options)
        self.producer.flush(60)
        assert not wrong, f"{len(wrong)} records were not taken, the first: {wrong[0]}"
        return [taken[index] for index in sorted(taken)]

    def _offer(
        self, topic: str, value: bytes | None, on_delivery: Any, options: dict[str, Any]
    ) -> None:
        while True:
            try:
                self.producer.produce(topic, value, on_delivery=on_delivery, **options)
            except BufferError:
                self.producer.poll(0.1)
            else:
                self.producer.poll(0)
                return

    def read_all(
        self, topic: str, *, isolation: str = "read_committed", timeout: float = 30
    ) -> list[Message]:
        """Return every record there is, partition by partition, in offset order.

        It reads from the first offset to the end of each partition as of now, without a
        group. With ``read_committed`` the end is where the first open transaction begins.
        """
        return self._read(topic, isolation, timeout)

    def read(
        self, topic: str, count: int, *, isolation: str = "read_committed", timeout: float = 30
    ) -> list[Message]:
        """Wait until ``count`` records are there and return what is there then.

        They may be more than ``count``; the order is that of `read_all`.
        """
        return self._read(topic, isolation, timeout, enough=count)

    def values(self, topic: str, count: int | None = None, *, timeout: float = 30) -> list[Any]:
        """Return the JSON values of `read_all`, or of `read` where a count is given."""
        if count is None:
            messages = self.read_all(topic, timeout=timeout)
        else:
            messages = self.read(topic, count, timeout=timeout)
        return [None if m.value() is None else json.loads(m.value()) for m in messages]

    def _read(self, topic: str, isolation: str, timeout: float, enough: int = 0) -> list[Message]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "never-joined",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": isolation,
                "fetch.wait.max.ms": 50,
                **QUIET,
            }
        )
        partitions = self.partitions(topic)
        assert partitions, f"there is no topic {topic!r}"
        messages: list[Message] = []
        ended: set[int] = set()
        deadline = time.monotonic() + timeout
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            while len(ended) < len(partitions) or len(messages) < enough:
                for message in [consumer.poll(0.1), *consumer.consume(10_000, 0)]:
                    self._note(message, messages, ended)
                assert time.monotonic() < deadline, (
                    f"{len(messages)} records in {topic} within {timeout:g} s, wanted: "
                    f"{enough or 'all to the end'}"
                )
        finally:
            consumer.close()
        return sorted(messages, key=lambda each: (each.partition(), each.offset()))

    @staticmethod
    def _note(message: Message | None, messages: list[Message], ended: set[int]) -> None:
        if message is None:
            return
        error = message.error()
        if error is None:
            messages.append(message)
            ended.discard(message.partition())
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            raise KafkaException(error)

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Return each partition's high watermark: the offset the next record gets."""
        return self._offsets(topic, OffsetSpec.latest())

    def begin_offsets(self, topic: str) -> dict[int, int]:
        """Return each partition's first offset that still exists."""
        return self._offsets(topic, OffsetSpec.earliest())

    def _offsets(self, topic: str, spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(topic, number): spec for number in self.partitions(topic)}
        found = self.admin.list_offsets(asked, request_timeout=10)
        return {each.partition: future.result().offset for each, future in found.items()}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the group's committed offsets; partitions without one are left out."""
        return {number: each.offset for number, each in self._committed(group, topic).items()}

    def commit(
        self, group: str, topic: str, offsets: Mapping[int, int], *, metadata: str = ""
    ) -> None:
        """Commit as a tool does that knows nothing of Sabot; nobody may be in the group."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        wanted = [
            TopicPartition(topic, number, offset, metadata) for number, offset in offsets.items()
        ]
        consumer.commit(offsets=wanted, asynchronous=False)
        consumer.close()

    def committed_metadata(self, group: str, topic: str) -> dict[int, str]:
        """Return the text committed along with each offset."""
        found = self._committed(group, topic)
        return {number: each.metadata or "" for number, each in found.items()}

    def _committed(self, group: str, topic: str) -> dict[int, TopicPartition]:
        if group not in self._coordinated:
            # A group without its coordinator yet, as on a broker that has just started,
            # crashes the client in this call; describing the group waits for it.
            self.group_members(group)
            self._coordinated.add(group)
        asked = [ConsumerGroupTopicPartitions(group)]
        answer = self.admin.list_consumer_group_offsets(asked, request_timeout=10)[group].result()
        return {
            each.partition: each
            for each in answer.topic_partitions
            if each.topic == topic and each.offset >= 0
        }

    def _group(self, group: str) -> ConsumerGroupDescription:
        def described() -> ConsumerGroupDescription | None:
            asked = self.admin.describe_consumer_groups([group], request_timeout=10)
            try:
                return asked[group].result()
            except KafkaException as error:
                if error.args[0].code() in COORDINATOR_IS_COMING:
                    return None
                raise

        return until(described, what=f"coordinator of group {group}")

    def group_members(self, group: str) -> list[MemberDescription]:
        """Return the group's members, each with its client id and its partitions."""
        try:
            return list(self._group(group).members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise

    def await_group(self, group: str, members: int = 1, timeout: float = 30) -> None:
        """Wait until the group has this many members and is done dealing out partitions.

        A member may know of its partitions a moment later than the broker does; a test
        that reads from ``latest`` waits for the member's own word, or commits first.
        """

        def settled() -> bool:
            try:
                found = self._group(group)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return members == 0
                raise
            if members == 0:
                return not found.members
            stable = found.state is ConsumerGroupState.STABLE and len(found.members) == members
            return stable and any(each.assignment.topic_partitions for each in found.members)

        until(settled, what=f"stable group {group} of {members}", timeout=timeout)

    def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Delete the records below an offset, per partition."""
        asked = [TopicPartition(topic, number, offset) for number, offset in before.items()]
        for future in self.admin.delete_records(asked, request_timeout=10).values():
            future.result()


def as_bytes(value: Any) -> bytes | None:
    """Return bytes and ``None`` as they are, anything else as JSON."""
    return value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
