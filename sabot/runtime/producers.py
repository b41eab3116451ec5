"""The producers of a domain: one for each cluster and set of options."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from sabot.kafka.connect import check_cluster
from sabot.kafka.producer import KafkaProducer
from sabot.kafka.properties import connection_properties
from sabot.kafka.sink import KafkaSinkConfig, client_properties
from sabot.runtime.policy import ErrorPolicy

__all__ = ["Producers"]


class Producers:
    """Makes producers as sinks ask for them, and knows which topics each is to write."""

    def __init__(self, application: str) -> None:
        self._client_id = f"sabot-{application}"
        self._made: dict[Hashable, KafkaProducer] = {}
        self._topics: dict[Hashable, dict[str, None]] = {}

    def of(self, config: KafkaSinkConfig) -> KafkaProducer:
        """Return the producer a sink shares with all that have equal options."""
        properties = client_properties(config, self._client_id)
        key = tuple(sorted((name, str(value)) for name, value in properties.items()))
        if key not in self._made:
            self._made[key] = KafkaProducer(properties)
            self._topics[key] = {}
        self._topics[key][config.topic] = None
        return self._made[key]

    def dead_letters(self, source: Any, policy: ErrorPolicy) -> KafkaProducer | None:
        """Return the producer for a source's dead letters, where it has any."""
        if policy.dead_letter_topic is None:
            return None
        return self.of(
            KafkaSinkConfig(
                source.bootstrap_servers,
                policy.dead_letter_topic,
                # Who may read the cluster by credentials of his own writes there by them, too.
                properties=connection_properties(source.consumer_config),
            )
        )

    def all(self) -> Sequence[KafkaProducer]:
        """Return those in use."""
        return list(self._made.values())

    def check(self, timeout: float) -> None:
        """Make sure that clusters answer and topics are there, or are made on first use.

        Raises:
            BrokerError, ConfigurationError: As `check_cluster`.
        """
        for key, producer in self._made.items():
            check_cluster(
                producer.client, list(self._topics[key]), timeout=timeout, errors=producer.errors
            )

    def close(self, timeout: float) -> int:
        """Flush all; return how many records have no delivery report."""
        return sum(producer.close(timeout) for producer in self._made.values())
