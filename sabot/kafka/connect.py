"""Making clients, and finding out within a stated time whether they can work.

A Kafka client is made without a word whatever its settings are, and then tries for ever.
What is wrong with an address, a password or a topic name must be told to whoever wrote
it, so the runtime checks before it reads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from sabot.errors import (
    BrokerError,
    BrokerUnavailableError,
    ConfigurationError,
    TopicNotFoundError,
)
from sabot.kafka.client_errors import ClientErrors

__all__ = [
    "QUIET",
    "ClientErrors",
    "check_cluster",
    "client_errors",
    "cluster_id",
    "open_admin",
    "open_consumer",
    "open_producer",
]

QUIET: Mapping[str, Any] = {"log_level": 2}
"""The client's own lines on stderr are left out: `ClientErrors` logs what they say."""

_SLICE_SECONDS = 0.25

_INTERRUPTED = frozenset(
    f"expected configuration property {part} as type unicode string" for part in ("name", "value")
)
"""What the client makes of whatever is raised while it reads its properties."""


def client_errors(properties: Mapping[str, Any]) -> ClientErrors:
    """Return an empty collection of complaints for a client with these properties."""
    return ClientErrors(
        str(properties.get("bootstrap.servers", "")), user=properties.get("sasl.username")
    )


def open_consumer(properties: Mapping[str, Any], errors: ClientErrors) -> Any:
    """Make a consumer; nothing is sent before it is used.

    Raises:
        ConfigurationError: If properties that are valid one by one do not go together, or
            name a file that cannot be read.
    """
    if not properties.get("group.id"):
        # The client does not refuse an empty group: it ends the process.
        raise ConfigurationError("group_id is empty; name the group whose offsets are kept")
    return _open("Consumer", properties, errors)


def open_producer(properties: Mapping[str, Any], errors: ClientErrors) -> Any:
    """Make a producer.

    Raises:
        ConfigurationError: As `open_consumer`.
    """
    return _open("Producer", properties, errors)


def open_admin(properties: Mapping[str, Any], errors: ClientErrors) -> Any:
    """Make an admin client; keep it until its futures are done, or they fail.

    Raises:
        ConfigurationError: As `open_consumer`.
    """
    return _open("AdminClient", properties, errors)


def _open(kind: str, properties: Mapping[str, Any], errors: ClientErrors) -> Any:
    import confluent_kafka
    import confluent_kafka.admin

    make = getattr(confluent_kafka.admin if kind == "AdminClient" else confluent_kafka, kind)
    try:
        return make({**QUIET, **properties, "error_cb": errors.note})
    except (confluent_kafka.KafkaException, ValueError, TypeError) as error:
        cause = error.args[0]
        if cause in _INTERRUPTED:
            # All of them are texts and numbers, so it can only have been a signal's handler.
            raise KeyboardInterrupt from error
        text = cause.str() if isinstance(cause, confluent_kafka.KafkaError) else str(cause)
        raise ConfigurationError(
            f"the client for {errors.bootstrap!r} cannot be made with these settings: {text}"
        ) from error


def check_cluster(
    client: Any, topics: Iterable[str], *, timeout: float, errors: ClientErrors
) -> dict[str, list[int]]:
    """Wait until the cluster answers and has the topics; return their partitions.

    A consumer must not be subscribed or assigned yet: its messages would be lost here. A
    producer's question makes a topic appear where the cluster creates topics on first
    use; a consumer's does not, unless ``allow.auto.create.topics`` is set.

    Args:
        client: A consumer, a producer or an admin client made with ``errors``.
        topics: The topics that must exist.
        timeout: Seconds for all of it.
        errors: Where the client's complaints go.

    Raises:
        BrokerUnavailableError: If no broker answers in time; says the last reason.
        ConfigurationError: At once, if the credentials are refused or a topic's name is
            not valid.
        TopicNotFoundError: If a topic has not appeared in time.
        BrokerError: At once, if this user may not read a topic's metadata.
    """
    question = _Question(client, timeout, time.monotonic() + timeout, errors)
    found: dict[str, list[int]] = {}
    for topic in topics:
        partitions = _partitions(question, topic)
        while partitions is None:
            if question.late:
                raise _missing(question, topic)
            client.poll(_SLICE_SECONDS)
            partitions = _partitions(question, topic)
        found[topic] = partitions
    if not found:
        question.ask(None)
    return found


def cluster_id(properties: Mapping[str, Any], timeout: float) -> str:
    """Return what a cluster calls itself, whichever of its addresses it is asked at.

    Raises:
        BrokerUnavailableError: If no broker answers in time.
    """
    errors = client_errors(properties)
    client = open_admin(properties, errors)
    described = _Question(client, timeout, time.monotonic() + timeout, errors).ask(None)
    return str(described.cluster_id)


@dataclass(frozen=True)
class _Question:
    """Questions to a cluster that have one deadline together."""

    client: Any
    timeout: float
    deadline: float
    errors: ClientErrors

    @property
    def late(self) -> bool:
        return time.monotonic() >= self.deadline

    def ask(self, topic: str | None) -> Any:
        """Ask for metadata in short slices, since complaints arrive only between them."""
        import confluent_kafka

        while True:
            left = max(self.deadline - time.monotonic(), 0.05)
            wait = min(left, _SLICE_SECONDS)
            try:
                if topic is None:
                    return self.client.list_topics(timeout=wait)
                return self.client.list_topics(topic, timeout=wait)
            except confluent_kafka.KafkaException as error:
                self.client.poll(0)
                self.errors.raise_refusal()
                if self.late:
                    address = self.errors.bootstrap
                    raise BrokerUnavailableError(
                        f"no broker at {address!r} answered within {self.timeout:g} s "
                        f"({self.errors.last}); check the address and that Kafka runs there"
                    ) from error


def _partitions(question: _Question, topic: str) -> list[int] | None:
    described = question.ask(topic).topics[topic]
    if described.error is None:
        return sorted(described.partitions)
    name, text = described.error.name(), described.error.str()
    if name == "INVALID_TOPIC_EXCEPTION":
        raise ConfigurationError(
            f"topic {topic!r} is not a valid name; allowed: up to 249 of a-z A-Z 0-9 . _ -"
        )
    if name == "TOPIC_AUTHORIZATION_FAILED":
        raise BrokerError(
            f"topic {topic!r} at {question.errors.bootstrap!r} may not be used: {text}"
        )
    # Missing or not ready yet; whichever it is, the deadline decides.
    return None


def _missing(question: _Question, topic: str) -> TopicNotFoundError:
    bootstrap = question.errors.bootstrap
    there = replace(question, timeout=1.0, deadline=time.monotonic() + 1.0).ask(None).topics
    names = sorted(name for name in there if not name.startswith("__"))
    close = get_close_matches(topic, names, n=3)
    if close:
        hint = "the nearest are " + ", ".join(repr(name) for name in close)
    else:
        hint = "no other has a similar name" if names else "it has no topics at all"
    return TopicNotFoundError(
        f"topic {topic!r} does not exist at {bootstrap!r} after {question.timeout:g} s; {hint}; "
        f"to create it: kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {topic}"
    )
