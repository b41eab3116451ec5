"""Where a partition's log begins and ends, as the broker says it now."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from sabot.errors import BrokerError, BrokerUnavailableError
from sabot.kafka.admin_module import admin_module
from sabot.kafka.client_errors import LEADER_IS_NEW, is_passing
from sabot.kafka.connect import client_errors, open_admin
from sabot.kafka.properties import connection_properties
from sabot.types import TopicPartition

__all__ = ["LogBounds"]

_TIMEOUT = 10.0
_AGAIN_SECONDS = 0.1
_NEW_SECONDS = 3.0


class LogBounds:
    """Asks for ends with one client, which is kept; may be called by any thread.

    Args:
        properties: Of the connection; others are left out.
        timeout: Seconds until a cluster that does not answer is an error.
    """

    def __init__(self, properties: Mapping[str, Any], timeout: float = _TIMEOUT) -> None:
        self._properties = connection_properties(properties)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: Any = None

    def of(self, place: TopicPartition) -> tuple[int, int]:
        """Return the first offset there is, and the end, open transactions included.

        Raises:
            BrokerUnavailableError: If the cluster does not answer, or not now.
            BrokerError: If it refuses.
        """
        spec = admin_module().OffsetSpec
        return self._find(place, spec.earliest()), self._find(place, spec.latest())

    def first_since(self, place: TopicPartition, seconds: float) -> int:
        """Return the first offset whose record is not older; the end where all are.

        Args:
            place: The partition.
            seconds: Since the epoch.

        Raises:
            BrokerUnavailableError, BrokerError: As `of`.
        """
        found = self._find(place, admin_module().OffsetSpec.for_timestamp(int(seconds * 1000)))
        return found if found >= 0 else self.of(place)[1]

    def _find(self, place: TopicPartition, what: Any) -> int:
        """Ask, again where there is no leader there yet, as after a topic was made."""
        from confluent_kafka import OFFSET_INVALID, KafkaException

        began = time.monotonic()
        while True:
            try:
                offset = int(self._ask(place, what).result().offset)
            except KafkaException as error:
                cause = error.args[0]
                missing = cause.name() == "_NOENT"
                # One that is not there was perhaps made just now, but that is seen soon.
                patience = min(self._timeout, _NEW_SECONDS) if missing else self._timeout
                asks_again = missing or cause.name() in LEADER_IS_NEW
                if not asks_again or time.monotonic() - began > patience:
                    failure = BrokerUnavailableError if is_passing(cause) else BrokerError
                    raise failure(f"the ends of {place} are not known: {cause.str()}") from error
            else:
                if offset == OFFSET_INVALID:
                    # What the client says, without an error, of a broker that is silent.
                    raise BrokerUnavailableError(f"the leader of {place} does not say its ends")
                return offset
            time.sleep(_AGAIN_SECONDS)
            with contextlib.suppress(KafkaException):
                # The client goes on asking the leader it knows.
                self._client.list_topics(place.topic, timeout=self._timeout)

    def _ask(self, place: TopicPartition, what: Any) -> Any:
        from confluent_kafka import IsolationLevel
        from confluent_kafka import TopicPartition as ClientPartition

        with self._lock:
            if self._client is None:
                self._client = open_admin(self._properties, client_errors(self._properties))
        asked = ClientPartition(place.topic, place.partition)
        answers = self._client.list_offsets(
            {asked: what},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=self._timeout,
        )
        return next(iter(answers.values()))
