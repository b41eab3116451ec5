"""Small questions and deeds for people at a terminal: topics, ends, one record, a look.

Each makes a client of its own and lets it go; none joins a group or commits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sabot.errors import (
    BrokerError,
    BrokerUnavailableError,
    ConfigurationError,
    DeliveryError,
)
from sabot.kafka.admin_module import admin_module
from sabot.kafka.client_errors import is_passing, translate_error
from sabot.kafka.connect import (
    check_cluster,
    client_errors,
    open_admin,
    open_consumer,
    open_producer,
)
from sabot.kafka.embedded import is_embedded, resolve_bootstrap
from sabot.types import Record, TopicPartition

__all__ = ["create_topic", "end_offsets", "list_topics", "read_through", "send", "tail", "topic_id"]

_TIMEOUT = 10.0
_READER = "sabot-tail"
_BEGINNING = -2
_END = -1


def list_topics(
    bootstrap: str, properties: Mapping[str, Any] | None = None, *, timeout: float = _TIMEOUT
) -> dict[str, int]:
    """Return the cluster's topics with their number of partitions, internal ones left out.

    Args:
        bootstrap: The cluster's address, ``"embedded://"`` included.
        properties: Further librdkafka properties, such as credentials.
        timeout: Seconds until an unreachable cluster is an error.

    Raises:
        BrokerUnavailableError: If no broker answers in time.
    """
    complete, errors = _connection(bootstrap, properties)
    client = open_admin(complete, errors)
    check_cluster(client, [], timeout=timeout, errors=errors)
    topics = client.list_topics(timeout=timeout).topics
    return {
        name: len(topics[name].partitions) for name in sorted(topics) if not name.startswith("__")
    }


def end_offsets(
    bootstrap: str,
    topic: str,
    properties: Mapping[str, Any] | None = None,
    *,
    timeout: float = _TIMEOUT,
) -> dict[TopicPartition, int]:
    """Return each partition's end: the offset its next record will have.

    What an open transaction has written counts, too, whether it is committed or not.

    Raises:
        BrokerUnavailableError: If no broker answers in time.
        TopicNotFoundError: If there is no such topic in that time.
    """
    from confluent_kafka import IsolationLevel
    from confluent_kafka import TopicPartition as ClientPartition

    newest = admin_module().OffsetSpec.latest()

    complete, errors = _connection(bootstrap, properties)
    client = open_admin(complete, errors)
    partitions = check_cluster(client, [topic], timeout=timeout, errors=errors)[topic]
    asked = {ClientPartition(topic, number): newest for number in partitions}
    answers = client.list_offsets(
        asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout
    )
    ends: dict[TopicPartition, int] = {}
    for partition, future in answers.items():
        end = _done(future, f"the end of {topic!r}").offset
        if end < 0:
            # What the client says of a broker that did not answer in time, without an error.
            raise BrokerUnavailableError(
                f"the leader of {topic}[{partition.partition}] at {bootstrap!r} does not say "
                "where its log ends"
            )
        ends[TopicPartition(topic, partition.partition)] = end
    return ends


def topic_id(
    bootstrap: str,
    topic: str,
    properties: Mapping[str, Any] | None = None,
    *,
    timeout: float = _TIMEOUT,
) -> str:
    """Return the id that tells a topic from another of its name, before or after it.

    Raises:
        BrokerUnavailableError: If no broker answers in time.
        TopicNotFoundError: If there is no such topic in that time.
    """
    from confluent_kafka import TopicCollection

    complete, errors = _connection(bootstrap, properties)
    client = open_admin(complete, errors)
    check_cluster(client, [topic], timeout=timeout, errors=errors)
    asked = client.describe_topics(TopicCollection([topic]), request_timeout=timeout)
    return str(_done(asked[topic], f"the id of {topic!r}").topic_id)


def create_topic(
    bootstrap: str,
    topic: str,
    partitions: int = 1,
    properties: Mapping[str, Any] | None = None,
    *,
    config: Mapping[str, str] | None = None,
    timeout: float = _TIMEOUT,
) -> bool:
    """Create a topic and wait until it can be used; return whether it is new.

    The replication factor is the cluster's default. The embedded broker makes topics at
    their first use, always with four partitions.

    Args:
        bootstrap, properties, timeout: As for `list_topics`.
        topic: Its name.
        partitions: How many.
        config: Settings of the topic, by Kafka's names.

    Raises:
        BrokerUnavailableError: If the cluster does not answer, or not yet.
        BrokerError: If the cluster refuses.
        ConfigurationError: On the embedded broker, if settings are given.
    """
    complete, errors = _connection(bootstrap, properties)
    if is_embedded(bootstrap):
        if config:
            raise ConfigurationError("the embedded broker's topics have no settings of their own")
        known = topic in list_topics(bootstrap, properties, timeout=timeout)
        check_cluster(open_producer(complete, errors), [topic], timeout=timeout, errors=errors)
        return not known
    from confluent_kafka import KafkaException

    client = open_admin(complete, errors)
    check_cluster(client, [], timeout=timeout, errors=errors)
    new = admin_module().NewTopic(topic, num_partitions=partitions, config=dict(config or {}))
    try:
        client.create_topics([new], request_timeout=timeout)[topic].result()
        created = True
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            failure = BrokerUnavailableError if is_passing(error.args[0]) else BrokerError
            raise failure(
                f"topic {topic!r} cannot be created at {bootstrap!r}: {error.args[0].str()}"
            ) from error
        created = False
    check_cluster(client, [topic], timeout=timeout, errors=errors)
    return created


def send(
    bootstrap: str,
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes | None]] = (),
    properties: Mapping[str, Any] | None = None,
    timeout: float = _TIMEOUT,
) -> tuple[int, int]:
    """Write one record, wait until it has arrived, and return its partition and offset.

    Raises:
        BrokerUnavailableError: If no broker answers in time.
        TopicNotFoundError: If the topic does not exist and the cluster creates none.
        DeliveryError: If the cluster does not take the record, or says nothing in time.
    """
    complete, errors = _connection(bootstrap, properties)
    producer = open_producer({**complete, "enable.idempotence": True}, errors)
    check_cluster(producer, [topic], timeout=timeout, errors=errors)
    reports: list[tuple[Any, Any]] = []
    producer.produce(
        topic,
        value,
        key,
        headers=list(headers),
        on_delivery=lambda error, message: reports.append((error, message)),
    )
    producer.flush(timeout)
    if not reports:
        raise DeliveryError(
            f"{topic!r} at {bootstrap!r} did not confirm the record within {timeout:g} s; "
            f"it may arrive yet ({errors.last})"
        )
    error, message = reports[0]
    if error is not None:
        raise DeliveryError(f"{topic!r} at {bootstrap!r} did not take the record: {error.str()}")
    return message.partition(), message.offset()


def tail(
    bootstrap: str,
    topic: str,
    *,
    from_beginning: bool = False,
    limit: int | None = None,
    properties: Mapping[str, Any] | None = None,
    timeout: float = _TIMEOUT,
) -> Iterator[Record]:
    """Yield a topic's records as they arrive, values as bytes, without joining a group.

    Records of one partition come in order; those of several are mixed as they are read.
    From the end it begins at what is the end when the first record is asked for, and it
    goes on until ``limit`` records have been seen, or the iterator is closed.

    Args:
        bootstrap, properties, timeout: As for `list_topics`.
        topic: The topic.
        from_beginning: Start with the oldest record instead of the next one.
        limit: Stop after so many records.

    Raises:
        BrokerUnavailableError: If no broker answers in time.
        TopicNotFoundError: If there is no such topic in that time.
        OffsetOutOfRangeError: If the log drops records before they are read.
    """
    if limit is not None and limit < 1:
        return
    complete, errors = _connection(bootstrap, properties)
    consumer = open_consumer({**complete, **_reader_properties(bootstrap)}, errors)
    try:
        partitions = check_cluster(consumer, [topic], timeout=timeout, errors=errors)[topic]
        consumer.assign(_starts(consumer, topic, partitions, from_beginning, timeout))
        seen = 0
        while limit is None or seen < limit:
            message = consumer.poll(0.2)
            if message is None:
                continue
            failed = message.error()
            if failed is not None:
                found = translate_error(
                    failed, bootstrap=errors.bootstrap, group_id=_READER, topic=topic
                )
                if found is not None:
                    raise found
                continue
            seen += 1
            yield _as_record(message)
    finally:
        consumer.close()


def read_through(
    bootstrap: str,
    topic: str,
    *,
    properties: Mapping[str, Any] | None = None,
    timeout: float = _TIMEOUT,
) -> Iterator[Record]:
    """Yield a topic's records from the oldest to what is the end now, without a group.

    Records of one partition come in order; those of several are mixed as they are read.

    Raises:
        BrokerUnavailableError: If no broker answers in time, or none does any more.
        TopicNotFoundError: If there is no such topic in that time.
    """
    from confluent_kafka import KafkaError
    from confluent_kafka import TopicPartition as ClientPartition

    complete, errors = _connection(bootstrap, properties)
    complete |= {**_reader_properties(bootstrap), "enable.partition.eof": True}
    consumer = open_consumer(complete, errors)
    try:
        partitions = check_cluster(consumer, [topic], timeout=timeout, errors=errors)[topic]
        ends = {number: _end(consumer, topic, number, timeout) for number in partitions}
        unread = set(partitions)
        consumer.assign([ClientPartition(topic, number, _BEGINNING) for number in partitions])
        heard = time.monotonic()
        while unread:
            message = consumer.poll(0.2)
            if message is None:
                if time.monotonic() - heard > timeout:
                    raise BrokerUnavailableError(
                        f"{topic!r} at {errors.bootstrap!r} could not be read to its end: "
                        f"nothing came for {timeout:g} s ({errors.last})"
                    )
                continue
            heard = time.monotonic()
            failed, number = message.error(), message.partition()
            if failed is None and message.offset() < ends[number]:
                yield _as_record(message)
            elif failed is None or failed.code() == KafkaError._PARTITION_EOF:
                unread.discard(number)
            else:
                found = translate_error(
                    failed, bootstrap=errors.bootstrap, group_id=_READER, topic=topic
                )
                if found is not None:
                    raise found
    finally:
        consumer.close()


def _reader_properties(bootstrap: str) -> dict[str, Any]:
    return {
        # Names the reader towards the client, which wants a name; nothing joins a group.
        "group.id": _READER,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,
        "allow.auto.create.topics": is_embedded(bootstrap),
    }


def _end(consumer: Any, topic: str, number: int, timeout: float) -> int:
    from confluent_kafka import KafkaException
    from confluent_kafka import TopicPartition as ClientPartition

    try:
        answer = consumer.get_watermark_offsets(ClientPartition(topic, number), timeout=timeout)
    except KafkaException as error:
        raise BrokerError(f"the end of {topic}[{number}] is not known: {error}") from error
    return int(answer[1])


def _connection(bootstrap: str, properties: Mapping[str, Any] | None) -> tuple[dict[str, Any], Any]:
    complete = {**(properties or {}), "bootstrap.servers": resolve_bootstrap(bootstrap)}
    complete.setdefault("client.id", "sabot")
    return complete, client_errors(complete)


def _starts(
    consumer: Any, topic: str, partitions: Sequence[int], from_beginning: bool, timeout: float
) -> list[Any]:
    """Return the partitions with the offsets to start from, as numbers.

    Asked now, since "the end" would otherwise be wherever it is at the first fetch, and
    records sent in between would be missed.
    """
    from confluent_kafka import TopicPartition as ClientPartition

    which = _BEGINNING if from_beginning else _END
    asked = [ClientPartition(topic, number, which) for number in partitions]
    deadline = time.monotonic() + timeout
    answer = consumer.offsets_for_times(asked, timeout=timeout)
    while any(each.error is not None for each in answer) and time.monotonic() < deadline:
        consumer.poll(0.1)
        answer = consumer.offsets_for_times(asked, timeout=timeout)
    for each in answer:
        if each.error is not None:
            raise BrokerError(f"{topic}[{each.partition}] has no offsets: {each.error.str()}")
    return list(answer)


def _done(future: Any, what: str) -> Any:
    from confluent_kafka import KafkaException

    try:
        return future.result()
    except KafkaException as error:
        raise BrokerError(f"{what} is not known: {error.args[0].str()}") from error


def _as_record(message: Any) -> Record:
    kind, milliseconds = message.timestamp()
    return Record(
        message.value(),
        message.key(),
        message.headers() or (),
        message.topic(),
        message.partition(),
        message.offset(),
        milliseconds if kind else None,
    )
