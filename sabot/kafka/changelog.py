"""The changelog: a compacted topic with a partition for each of the source's.

Its records are what a step keeps: the key is the state's key, the value its bytes, no
value a deletion. A partition of it belongs to the source partition of the same number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sabot.errors import BrokerError, StateMismatchError
from sabot.kafka.admin import create_topic
from sabot.kafka.admin_module import admin_module
from sabot.kafka.connect import check_cluster, client_errors, open_admin

__all__ = ["Changelog", "changelog_topic", "changelogs_of", "ensure_changelog"]

_CONFIG = {
    "cleanup.policy": "compact",
    # Deletions stay readable for a store that was away for a day.
    "delete.retention.ms": "86400000",
    "segment.bytes": str(64 * 1024 * 1024),
}


@dataclass(frozen=True, slots=True)
class Changelog:
    """A changelog as it is on the cluster.

    Attributes:
        topic: Its name.
        identity: Another one for a topic of that name that is made anew.
        partitions: How many it has.
        deletions_last: For how many seconds deletions can be read: its
            ``delete.retention.ms``.
    """

    topic: str
    identity: str
    partitions: int
    deletions_last: float


def changelog_topic(app: str, store: str) -> str:
    """Return the name of a store's changelog.

    Example:
        >>> changelog_topic("billing", "totals")
        'billing-totals-changelog'
    """
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', app)}-{store}-changelog"


def changelogs_of(app: str, topics: Iterable[str]) -> list[str]:
    """Return which of the topics are changelogs of an app.

    Example:
        >>> changelogs_of("billing", ["orders", "billing-totals-changelog"])
        ['billing-totals-changelog']
    """
    first, last = changelog_topic(app, "").removesuffix("-changelog"), "-changelog"
    return sorted(name for name in topics if name.startswith(first) and name.endswith(last))


def ensure_changelog(
    topic: str, source: str, properties: Mapping[str, Any], *, timeout: float = 10.0
) -> Changelog:
    """Make a changelog where there is none, and check that it fits its source.

    Args:
        topic: The changelog.
        source: The topic whose partitions state is kept by.
        properties: Of the connection.
        timeout: Seconds until a cluster that does not answer is an error.

    Raises:
        StateMismatchError: If it has another number of partitions than the source, or is
            not compacted.
        BrokerError: If the cluster refuses, or does not answer.
    """
    errors = client_errors(properties)
    admin = open_admin(properties, errors)
    wanted = len(check_cluster(admin, [source], timeout=timeout, errors=errors)[source])
    # All topics: asking for one by name may create it, with the wrong settings.
    found = admin.list_topics(timeout=timeout)
    if topic not in found.topics:
        create_topic(
            str(properties["bootstrap.servers"]),
            topic,
            wanted,
            properties,
            config=_CONFIG,
            timeout=timeout,
        )
    identity, partitions = _described(admin, topic, timeout)
    if partitions != wanted:
        raise StateMismatchError(
            f"changelog {topic!r} has {partitions} partitions, and {source!r} has {wanted}; state "
            "is kept by the source's partitions, and keys have moved between them since. Write "
            f"the records of {source!r} to a new topic and read that with a new store, or delete "
            f"{topic!r}, reset the group's offsets and read everything again with --state rebuild"
        )
    config = _config(admin, topic, timeout)
    policy = config["cleanup.policy"]
    if "compact" not in policy.split(",") or "delete" in policy.split(","):
        raise StateMismatchError(
            f"changelog {topic!r} has cleanup.policy={policy!r}, which loses state; run "
            f"kafka-configs.sh --bootstrap-server {properties['bootstrap.servers']} --alter "
            f"--entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
        )
    return Changelog(topic, identity, partitions, int(config["delete.retention.ms"]) / 1000)


def _described(admin: Any, topic: str, timeout: float) -> tuple[str, int]:
    from confluent_kafka import KafkaException, TopicCollection

    try:
        future = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)[topic]
        described = future.result()
    except KafkaException as error:
        raise BrokerError(f"topic {topic!r} cannot be described: {error.args[0].str()}") from error
    return str(described.topic_id), len(described.partitions)


def _config(admin: Any, topic: str, timeout: float) -> dict[str, str]:
    from confluent_kafka import KafkaException

    resource = admin_module().ConfigResource("topic", topic)
    try:
        answer = admin.describe_configs([resource], request_timeout=timeout)[resource].result()
    except KafkaException as error:
        raise BrokerError(
            f"the settings of topic {topic!r} are not known: {error.args[0].str()}"
        ) from error
    return {name: str(entry.value) for name, entry in answer.items()}
