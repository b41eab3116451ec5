"""The producers of a domain: one for each cluster and set of options."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from sabot.kafka.connect import check_cluster
from sabot.kafka.producer import KafkaProducer
from sabot.kafka.properties import connection_properties
from sabot.kafka.sink import KafkaSinkConfig, client_properties
from sabot.kafka.transactions import TransactionalProducer
from sabot.runtime.compile import DomainPlan
from sabot.runtime.exactly_once import sinks_of
from sabot.runtime.policy import ErrorPolicy

__all__ = ["Producers", "transaction_properties"]


def transaction_properties(plan: DomainPlan, application: str, *, outputs: bool) -> dict[str, Any]:
    """Return the properties of the producer that writes a domain's transactions.

    Args:
        plan: The domain.
        application: What its client id names.
        outputs: Whether outputs are written by it: then it is made as they ask for.
    """
    client_id = f"sabot-{application}"
    sinks = sinks_of(plan)
    if outputs and sinks:
        return client_properties(sinks[0], client_id)
    source = next(source for source in plan.sources if hasattr(source, "bootstrap_servers"))
    connection = connection_properties(source.consumer_config)
    return client_properties(
        KafkaSinkConfig(source.bootstrap_servers, source.topic, properties=connection), client_id
    )


class Producers:
    """Makes producers as sinks ask for them, and knows which topics each is to write.

    Args:
        application: What client ids name.
        transactional: The producer of the domain's transactions, where it has one.
        exactly_once: Whether that one writes what sinks ask for, too.
    """

    def __init__(
        self,
        application: str,
        transactional: TransactionalProducer | None = None,
        *,
        exactly_once: bool = False,
    ) -> None:
        self._client_id = f"sabot-{application}"
        self._transactional = transactional
        self._exactly_once = exactly_once
        self._made: dict[Hashable, KafkaProducer] = {}
        self._topics: dict[Hashable, dict[str, None]] = {}

    def of(self, config: KafkaSinkConfig) -> KafkaProducer:
        """Return the producer a sink shares with all that have equal options."""
        if self._exactly_once and self._transactional is not None:
            self._topics.setdefault(None, {})[config.topic] = None
            return self._transactional
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
        made = list(self._made.values())
        return made if self._transactional is None else [self._transactional, *made]

    def check(self, timeout: float) -> None:
        """Make sure that clusters answer and topics are there, or are made on first use.

        Raises:
            BrokerError, ConfigurationError: As `check_cluster`.
        """
        used: dict[Hashable, KafkaProducer] = dict(self._made)
        if self._transactional is not None:
            used[None] = self._transactional
        for key, producer in used.items():
            topics = list(self._topics.get(key, {}))
            check_cluster(producer.client, topics, timeout=timeout, errors=producer.errors)

    def close(self, timeout: float) -> int:
        """Flush all; return how many records have no delivery report."""
        return sum(producer.close(timeout) for producer in self.all())
