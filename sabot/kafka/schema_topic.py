"""What a group has inferred of its topics' records, in a compacted topic.

The topic is ``{group_id}-sabot-schemas``, with one partition. A record's key is
``{topic}/{codec}``, its value the whole schema as it is from there on, so the last record
of a key says all, and older ones may be compacted away.

The log decides who was first: a record that does not go together with those before it
counts for nothing, whoever reads. Its writer notices, and writes what does hold once more,
so that compaction cannot leave the wrong one; until then the topic's own
``min.compaction.lag.ms`` keeps both. A tombstone makes the processes that start after it
begin anew; those that run write what they know again with their next change.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import pyarrow as pa

from sabot.codecs.documents.union import union
from sabot.errors import (
    BrokerError,
    BrokerUnavailableError,
    ConfigurationError,
    SabotError,
    SchemaMismatchError,
)
from sabot.kafka.admin import create_topic
from sabot.kafka.client_errors import is_passing, translate_error
from sabot.kafka.companion import companion_topic
from sabot.kafka.connect import (
    check_cluster,
    client_errors,
    open_admin,
    open_consumer,
    open_producer,
)
from sabot.kafka.embedded import is_embedded_cluster
from sabot.kafka.properties import connection_properties
from sabot.logs import get_logger

__all__ = ["SchemaTopic", "TopicMemory", "schema_topic_name"]

_CONFIG = {"cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"}
_VERSION = 1
_ROUNDS = 5


def schema_topic_name(group_id: str) -> str:
    """Return the topic of a group's schemas.

    Example:
        >>> schema_topic_name("billing")
        'billing-sabot-schemas'
    """
    return companion_topic(group_id, "sabot-schemas")


class SchemaTopic:
    """Remembers inferred schemas for a group; connects at its first use.

    Where the topic cannot be had (the embedded broker, a user without the permission) it
    says so once, as a warning, and remembers for this process alone.

    Any thread may use it; one at a time does.

    Args:
        bootstrap: The cluster's address as it was written.
        properties: The consumer's librdkafka properties.
        held: The schemas by key, as far as this process knows them; kept up to date. They
            outlive this object, and are never narrowed by what the topic says.
        timeout: Seconds until a cluster that does not answer is an error.
    """

    def __init__(
        self,
        bootstrap: str,
        properties: Mapping[str, Any],
        held: MutableMapping[str, pa.Schema],
        *,
        timeout: float,
    ) -> None:
        self.group_id = str(properties["group.id"])
        self.name = schema_topic_name(self.group_id)
        self._bootstrap = bootstrap
        self._properties = connection_properties(properties)
        self._held = held
        # A key once asked for is in use here, and its columns cannot be taken back.
        self._used = set(held)
        self._last: dict[str, pa.Schema | None] = {}
        self._timeout = timeout
        self._next = 0
        self._lock = threading.Lock()
        self._consumer: Any = None
        self._producer: Any = None
        self._for_this_process = False
        self._log = get_logger("sabot.schemas").bind(group=self.group_id)

    def of(self, topic: str, codec: str) -> TopicMemory:
        """Return the memory for the values of one topic, read with one codec."""
        return TopicMemory(self, f"{topic}/{codec}")

    def known(self, key: str) -> pa.Schema | None:
        """Return the schema of a key as the topic has it now.

        Raises:
            BrokerUnavailableError: If the cluster does not answer; ask again.
        """
        with self._lock:
            self._attempt(self._catch_up)
            self._used.add(key)
            return self._held.get(key)

    def widened(self, key: str, schema: pa.Schema) -> pa.Schema:
        """Widen the schema of a key, and return what the group agrees on.

        Raises:
            BrokerUnavailableError: If the cluster does not answer; do it again.
        """
        with self._lock:
            self._attempt(lambda: self._agree(key, schema))
            self._used.add(key)
            if self._for_this_process:
                self._held[key] = self._merged(key, schema)
            return self._held[key]

    def close(self) -> None:
        """Let go of the clients. What was written has arrived already."""
        with self._lock:
            self._disconnect()

    # --- agreeing -------------------------------------------------------------------

    def _merged(self, key: str, schema: pa.Schema) -> pa.Schema:
        """Return a schema with what is held, or what is held where they do not go together."""
        held = self._held.get(key)
        try:
            return schema if held is None else union(held, schema)
        except SchemaMismatchError:
            return held

    def _agree(self, key: str, schema: pa.Schema) -> None:
        """Write until the last word of the topic is what holds; almost always once."""
        self._catch_up()
        wanted = self._merged(key, schema)
        for _ in range(_ROUNDS):
            if self._last.get(key) == wanted:
                return
            self._catch_up(self._write(key, wanted) + 1)
            wanted = self._held[key]

    def _note(self, message: Any) -> None:
        key = (message.key() or b"").decode(errors="replace")
        if message.value() is not None:
            schema = self._last[key] = _read(message.value())
            self._held[key] = self._merged(key, schema)
            return
        self._last[key] = None
        if key not in self._used:
            self._held.pop(key, None)

    # --- the topic ------------------------------------------------------------------

    def _attempt(self, action: Callable[[], None]) -> None:
        """Do something with the topic; where the cluster refuses for good, do without."""
        if self._for_this_process:
            return
        try:
            if self._consumer is None:
                self._connect()
            action()
        except BrokerUnavailableError:
            self._disconnect()
            raise
        except (BrokerError, ConfigurationError) as error:
            self._fall_back(str(error))

    def _fall_back(self, reason: str) -> None:
        self._disconnect()
        self._for_this_process = True
        self._log.warning(
            "inferred schemas are remembered for this process alone: after a restart, what "
            "arrives first decides again; pin the schema, or let the topic be created",
            topic=self.name,
            reason=reason,
        )

    def _connect(self) -> None:
        errors = client_errors(self._properties)
        client = open_admin(self._properties, errors)
        check_cluster(client, [], timeout=self._timeout, errors=errors)
        # All topics, since asking for one by name may create it.
        found = client.list_topics(timeout=self._timeout)
        if is_embedded_cluster(found.cluster_id):
            raise BrokerError("the embedded broker keeps nothing")
        if self.name not in found.topics:
            self._create()
        self._producer = open_producer({**self._properties, "enable.idempotence": True}, errors)
        self._consumer = open_consumer(
            {
                **self._properties,
                # A group id is the client's condition for any consumer; it joins none.
                "group.id": self.group_id,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                "fetch.wait.max.ms": 20,
            },
            errors,
        )
        check_cluster(self._consumer, [self.name], timeout=self._timeout, errors=errors)
        self._next = 0

    def _create(self) -> None:
        create_topic(
            self._bootstrap,
            self.name,
            properties=self._properties,
            config=_CONFIG,
            timeout=self._timeout,
        )

    def _disconnect(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = self._producer = None

    def _catch_up(self, at_least: int = 0) -> None:
        """Read to what is the end now."""
        from confluent_kafka import KafkaException
        from confluent_kafka import TopicPartition as ClientPartition

        place = ClientPartition(self.name, 0)
        try:
            low, high = self._consumer.get_watermark_offsets(place, timeout=self._timeout)
        except KafkaException as error:
            raise self._failure(error.args[0]) or BrokerUnavailableError(
                f"the end of {self.name!r} at {self._bootstrap!r} is not known: {error}"
            ) from error
        end, self._next = max(high, at_least), max(low, self._next)
        if self._next >= end:
            return
        # Assigned for as long as it takes: nothing is fetched in between.
        self._consumer.assign([ClientPartition(self.name, 0, self._next)])
        try:
            self._read_to(end)
        finally:
            self._consumer.unassign()

    def _read_to(self, end: int) -> None:
        from confluent_kafka import KafkaError

        deadline = time.monotonic() + self._timeout
        while self._next < end:
            message = self._consumer.poll(0.1)
            if message is None:
                if time.monotonic() > deadline:
                    raise BrokerUnavailableError(
                        f"{self.name!r} at {self._bootstrap!r} could not be read to its end in "
                        f"{self._timeout:g} s"
                    )
                continue
            error = message.error()
            if error is None:
                self._note(message)
                self._next = message.offset() + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._next = max(self._next, message.offset())
            else:
                failure = self._failure(error)
                if failure is not None:
                    raise failure

    def _failure(self, error: Any) -> SabotError | None:
        """Return the error that a complaint amounts to, or ``None`` if it will pass."""
        return translate_error(
            error, bootstrap=self._bootstrap, group_id=self.group_id, topic=self.name
        )

    def _write(self, key: str, schema: pa.Schema) -> int:
        """Write one schema, wait until it has arrived, and return its offset."""
        reports: list[tuple[Any, Any]] = []
        self._producer.produce(
            self.name,
            _written(schema),
            key.encode(),
            partition=0,
            on_delivery=lambda error, message: reports.append((error, message)),
        )
        self._producer.flush(self._timeout)
        if not reports:
            raise BrokerUnavailableError(
                f"{self.name!r} at {self._bootstrap!r} did not confirm a schema within "
                f"{self._timeout:g} s"
            )
        error, message = reports[0]
        if error is not None:
            text = f"{self.name!r} did not take a schema: {error.str()}"
            raise BrokerUnavailableError(text) if is_passing(error) else BrokerError(text)
        return int(message.offset())


class TopicMemory:
    """The memory of one topic's schema (`sabot.codecs.memory.SchemaMemory`)."""

    def __init__(self, schemas: SchemaTopic, key: str) -> None:
        self._schemas = schemas
        self._key = key

    def known(self) -> pa.Schema | None:
        """Return what the group remembers now."""
        return self._schemas.known(self._key)

    def widened(self, schema: pa.Schema) -> pa.Schema:
        """Remember a wider schema for the group; return what holds."""
        return self._schemas.widened(self._key, schema)


def _written(schema: pa.Schema) -> bytes:
    """Return a schema as JSON: exactly, for workers, and readable, for people."""
    return json.dumps(
        {
            "version": _VERSION,
            "columns": {field.name: str(field.type) for field in schema},
            "arrow": base64.b64encode(schema.serialize().to_pybytes()).decode(),
        }
    ).encode()


def _read(value: bytes) -> pa.Schema:
    """Return the schema that `_written` wrote.

    Raises:
        ConfigurationError: If it is none, or that of a later version.
    """
    try:
        document = json.loads(value)
        if document["version"] == _VERSION:
            return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(document["arrow"])))
        reason = f"has version {document['version']!r}"
    except (ValueError, KeyError, TypeError, pa.ArrowInvalid) as error:
        reason = str(error)
    raise ConfigurationError(f"a record of the topic is no schema that can be read: {reason}")
