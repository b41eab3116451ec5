"""What the benchmark asks of the broker: topics, end offsets, commits, contents."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ListOffsetsResultInfo,
    NewTopic,
    OffsetSpec,
)

from benchmarks.flag.job import FIRST_TIMESTAMP, PARTITIONS, records

__all__ = ["Broker"]

_LATEST = OffsetSpec.latest()
_NEWEST = OffsetSpec.max_timestamp()


class Broker:
    """The broker, seen by somebody who is none of the contenders."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient(self._client())

    def create(self, topic: str, *, append_time: bool) -> None:
        """Create ``topic`` and return once all its partitions have leaders.

        Retention is off: the records' timestamps lie years back and would be deleted.
        """
        config = {
            "retention.ms": "-1",
            "message.timestamp.type": "LogAppendTime" if append_time else "CreateTime",
        }
        new = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1, config=config)
        for future in self._admin.create_topics([new]).values():
            future.result(30)
        deadline = time.monotonic() + 30
        while not self.exists(topic):
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {topic!r} has no leaders after 30 s")
            time.sleep(0.1)

    def exists(self, topic: str) -> bool:
        """Tell whether ``topic`` is there with every partition answering."""
        found = self._admin.list_topics(timeout=10).topics.get(topic)
        if found is None or found.error is not None or len(found.partitions) < PARTITIONS:
            return False
        try:
            self.ends(topic)
        except KafkaException:
            return False
        return True

    def delete(self, topic: str) -> None:
        """Delete ``topic``."""
        for future in self._admin.delete_topics([topic]).values():
            future.result(30)

    def forget_group(self, group: str) -> None:
        """Delete a group that has ended; one that never existed is no error."""
        for future in self._admin.delete_consumer_groups([group]).values():
            try:
                future.result(30)
            except KafkaException as error:
                if error.args[0].code() not in (
                    KafkaError.GROUP_ID_NOT_FOUND,
                    KafkaError.NON_EMPTY_GROUP,
                ):
                    raise

    def ends(self, topic: str) -> dict[int, int]:
        """Return the end offset of every partition."""
        return {p: r.offset for p, r in self._offsets(topic, _LATEST).items()}

    def count(self, topic: str) -> int:
        """Return how many records ``topic`` holds; nothing is ever deleted from it."""
        return sum(self.ends(topic).values())

    def last_append(self, topic: str) -> float:
        """Return the broker's clock at the newest record, in seconds since the epoch."""
        found = self._offsets(topic, _NEWEST)
        return max(result.timestamp for result in found.values()) / 1000

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the group's committed offsets; a partition without one is missing."""
        wanted = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        request = ConsumerGroupTopicPartitions(group, wanted)
        (future,) = self._admin.list_consumer_group_offsets([request]).values()
        return {p.partition: p.offset for p in future.result(30).topic_partitions if p.offset >= 0}

    def fill(self, topic: str, count: int) -> None:
        """Write the first ``count`` records to ``topic``, spread evenly over its partitions."""
        self.create(topic, append_time=False)
        producer = Producer(
            {
                **self._client(),
                "enable.idempotence": True,
                "linger.ms": 20,
                "batch.size": 1024 * 1024,
                "queue.buffering.max.messages": 500_000,
            }
        )
        for number, record in enumerate(records(count)):
            while True:
                try:
                    producer.produce(
                        topic,
                        record.value,
                        record.key,
                        partition=number % PARTITIONS,
                        timestamp=FIRST_TIMESTAMP + number,
                    )
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.flush()
        if self.count(topic) != count:
            raise RuntimeError(f"{topic!r} holds {self.count(topic)} records instead of {count}")

    def read(self, topic: str) -> Iterator[Message]:
        """Yield everything ``topic`` holds now."""
        left = self.count(topic)
        consumer = Consumer(
            {
                **self._client(),
                "group.id": f"bench-flag-read-{uuid.uuid4().hex}",
                "enable.auto.commit": False,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
            while left:
                messages = consumer.consume(min(left, 10_000), 10.0)
                if not messages:
                    raise TimeoutError(f"{topic!r} yielded nothing for 10 s, {left} to come")
                left -= len(messages)
                yield from messages
        finally:
            consumer.close()

    def _client(self) -> dict[str, str | int | float | bool]:
        # A young broker's passing refusals are retried, and are no news to the reader.
        return {"bootstrap.servers": self.bootstrap, "log_level": 3}

    def _offsets(self, topic: str, which: OffsetSpec) -> dict[int, ListOffsetsResultInfo]:
        request = {TopicPartition(topic, p): which for p in range(PARTITIONS)}
        futures = self._admin.list_offsets(request, request_timeout=10)
        return {partition.partition: future.result(30) for partition, future in futures.items()}
