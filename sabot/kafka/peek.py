"""Reading a topic without a group: no membership, no commit, no trace.

For ``collect`` and notebooks: looking at a topic must not take partitions from the
workers that process it, nor move their offsets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sabot.kafka.client_errors import translate_error
from sabot.kafka.connect import check_cluster, client_errors, open_consumer
from sabot.kafka.source_config import KafkaSourceConfig
from sabot.types import RawBatch, TopicPartition

__all__ = ["peek"]

_BEGINNING = -2
_END = -1


def peek(config: KafkaSourceConfig, deadline: float | None) -> Iterator[RawBatch | None]:
    """Yield what is read, from where ``auto_offset_reset`` says; ``None`` while idle.

    Args:
        config: The source; its group is not used.
        deadline: When to end, by the monotonic clock; ``None`` for never.

    Raises:
        BrokerError: If the cluster or the topic is not there.
    """
    from confluent_kafka import KafkaError
    from confluent_kafka import TopicPartition as ClientPartition

    properties = config.client_properties()
    errors = client_errors(properties)
    # A group id is the client's condition for any consumer; with assign() it is not used.
    consumer = open_consumer({**properties, "group.id": f"{config.group_id}-peek"}, errors)
    try:
        found = check_cluster(
            consumer, [config.topic], timeout=config.connect_timeout_seconds, errors=errors
        )
        start = _BEGINNING if config.auto_offset_reset == "earliest" else _END
        consumer.assign(
            [ClientPartition(config.topic, number, start) for number in found[config.topic]]
        )
        while deadline is None or time.monotonic() < deadline:
            first = consumer.poll(0.05)
            messages = [first] if first is not None else []
            if messages and config.batch_size > 1:
                messages += consumer.consume(config.batch_size - 1, 0)
            records = []
            for message in messages:
                error = message.error()
                if error is None:
                    records.append(message)
                    continue
                if error.code() == KafkaError._PARTITION_EOF:
                    continue
                failure = translate_error(
                    error,
                    bootstrap=str(properties["bootstrap.servers"]),
                    group_id=config.group_id,
                    topic=config.topic,
                )
                if failure is not None:
                    raise failure
            if not records:
                yield None
                continue
            reached = {TopicPartition(config.topic, r.partition()): r.offset() + 1 for r in records}
            values = [record.value() for record in records]
            yield RawBatch(records, values, reached, dict.fromkeys(reached, 0))
    finally:
        consumer.close()
