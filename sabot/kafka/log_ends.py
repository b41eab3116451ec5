"""Where partitions end, asked of their leaders by a client of its own.

What a consumer knows of a log's end came with its last fetch, so it knows nothing of a
partition that it does not fetch; and its calls are the reader's alone. A second client
asks without disturbing the first, and its answer says that the leader works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from sabot.kafka.admin_module import admin_module
from sabot.kafka.connect import client_errors, open_admin
from sabot.kafka.properties import connection_properties
from sabot.types import TopicPartition

__all__ = ["UNKNOWN", "LogEnds"]

UNKNOWN = -1
"""Stands for the end of a log whose leader answered, but not with an offset."""

_SLICE_SECONDS = 0.1


class LogEnds:
    """Asks for the ends of logs, for one thread at a time.

    One request goes to each leader, for all its partitions together. The end is that of
    ``read_committed``: what an open transaction wrote is not there yet.

    Args:
        properties: The consumer's librdkafka properties.
        stopping: Set where nobody waits for an answer any more.
    """

    def __init__(self, properties: Mapping[str, Any], stopping: threading.Event) -> None:
        self._properties = {
            **connection_properties(properties),
            "client.id": f"{properties.get('client.id', 'sabot')}-watchdog",
        }
        self._stopping = stopping
        self._admin: Any = None

    def ask(
        self, partitions: Collection[TopicPartition], timeout: float
    ) -> dict[TopicPartition, int | None]:
        """Return the end of each log, or ``None`` where no answer came in time."""
        from confluent_kafka import IsolationLevel
        from confluent_kafka import TopicPartition as ClientPartition

        if not partitions:
            return {}
        latest = admin_module().OffsetSpec.latest()
        asked = {ClientPartition(tp.topic, tp.partition): latest for tp in partitions}
        futures = self._client.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout
        )
        # The client keeps to the timeout; a little more lets it say so.
        deadline = time.monotonic() + timeout + 1.0
        return {
            TopicPartition(each.topic, each.partition): self._answer(future, deadline)
            for each, future in futures.items()
        }

    def cluster_answers(self, topic: str, timeout: float) -> bool:
        """Whether any broker answers at all."""
        from confluent_kafka import KafkaException

        try:
            self._client.list_topics(topic, timeout=timeout)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Let the client go."""
        self._admin = None

    @property
    def _client(self) -> Any:
        if self._admin is None:
            self._admin = open_admin(self._properties, client_errors(self._properties))
        return self._admin

    def _answer(self, future: Any, deadline: float) -> int | None:
        from confluent_kafka import KafkaError, KafkaException

        while not future.done():
            if self._stopping.wait(_SLICE_SECONDS) or time.monotonic() > deadline:
                return None
        try:
            offset = int(future.result().offset)
        except KafkaException as error:
            silent = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
            passing = error.args[0].code() in silent or error.args[0].retriable()
            return None if passing else UNKNOWN
        # Without an answer in time the client gives a result without an offset.
        return offset if offset >= 0 else None
