"""What of a dead-letter topic was replayed, and where to, in a compacted topic beside it.

The topic is ``{topic}-sabot-replayed``, with one partition. Offsets committed for a group
would not do: a cluster forgets those of a group without members after a week, and they say
how far a group is, not which letters ``--where`` picked.

A record's key is ``{target}/{partition}/{block}``, its value all offsets of that block of
the dead-letter topic that have arrived at the target; the last record of a key counts. It
names the dead-letter topic's id, too: one of the same name that was made anew begins with
nothing replayed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sabot.errors import BrokerError, ConfigurationError, DeliveryError
from sabot.kafka.admin import create_topic, list_topics, read_through, topic_id
from sabot.kafka.companion import companion_topic
from sabot.kafka.connect import client_errors, open_producer
from sabot.kafka.embedded import resolve_bootstrap
from sabot.kafka.offset_block import BLOCK, OffsetBlock
from sabot.types import Record

__all__ = ["ReplayLedger"]

_CONFIG = {"cleanup.policy": "compact"}
_VERSION = 1
_FLUSH_SECONDS = 30.0

_Key = tuple[str, int, int]


class ReplayLedger:
    """Knows which letters were replayed, and remembers more of them.

    It says nothing of letters before they have arrived, so one is at worst replayed twice:
    where a replay dies between the two, or where two replays of one topic run at once.

    Args:
        bootstrap: The cluster's address.
        topic: The dead-letter topic.
        properties: Further librdkafka properties, such as credentials.
        timeout: Seconds until an unreachable cluster is an error.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        properties: Mapping[str, Any] | None = None,
        *,
        timeout: float = 10.0,
    ) -> None:
        self.name = companion_topic(topic, "sabot-replayed")
        self._bootstrap = bootstrap
        self._topic = topic
        self._properties = dict(properties or {})
        self._timeout = timeout
        self._id = ""
        self._known: dict[_Key, OffsetBlock] = {}
        self._added: dict[_Key, OffsetBlock] = {}

    def read(self) -> None:
        """Learn what was replayed so far; where there is no such topic yet, nothing was.

        Raises:
            BrokerUnavailableError: If no broker answers in time.
            TopicNotFoundError: If there is no dead-letter topic.
            ConfigurationError: If a record of the topic is not of this version.
        """
        self._id = topic_id(self._bootstrap, self._topic, self._properties, timeout=self._timeout)
        self._known = {}
        if self.name not in list_topics(self._bootstrap, self._properties, timeout=self._timeout):
            return
        read = read_through(
            self._bootstrap, self.name, properties=self._properties, timeout=self._timeout
        )
        for record in read:
            self._note(record)

    def has(self, target: str, record: Record) -> bool:
        """Say whether a letter has arrived at a target before."""
        key = _key(target, record)
        return any(
            key in held and record.offset in held[key] for held in (self._known, self._added)
        )

    def has_any(self, record: Record) -> bool:
        """Say whether a letter has arrived anywhere before."""
        place = (record.partition, record.offset // BLOCK)
        return any(record.offset in b for k, b in self._known.items() if k[1:] == place)

    def add(self, target: str, record: Record) -> None:
        """Note that a letter has arrived; `store` writes it down."""
        key = _key(target, record)
        if key not in self._added:
            self._added[key] = OffsetBlock(key[2])
        self._added[key].add(record.offset)

    def prepare(self) -> None:
        """Make sure that there is a topic to write to, before any letter is sent.

        Raises:
            BrokerError: If it cannot be created; says what to do.
        """
        try:
            create_topic(
                self._bootstrap,
                self.name,
                properties=self._properties,
                config=_CONFIG,
                timeout=self._timeout,
            )
        except BrokerError as error:
            raise type(error)(
                f"what is replayed is remembered in {self.name!r}, which is not there: {error}; "
                "have it created (one partition, cleanup.policy=compact), or replay with --again, "
                "which can do without"
            ) from error

    def store(self) -> None:
        """Write down what was added, and wait until it has arrived.

        What another replay has written meanwhile is kept.

        Raises:
            DeliveryError: If it does not arrive; those letters would be replayed again.
        """
        if not self._added:
            return
        self.read()
        complete = {
            "client.id": "sabot",
            **self._properties,
            "bootstrap.servers": resolve_bootstrap(self._bootstrap),
            "enable.idempotence": True,
        }
        errors = client_errors(complete)
        producer = open_producer(complete, errors)
        reports: list[Any] = []
        for key, block in self._added.items():
            if key in self._known:
                block.update(self._known[key])
            target, partition, number = key
            producer.produce(
                self.name,
                self._written(block),
                f"{target}/{partition}/{number}".encode(),
                partition=0,
                on_delivery=lambda error, _: reports.append(error),
            )
        producer.flush(_FLUSH_SECONDS)
        refused = [error.str() for error in reports if error is not None]
        if refused or len(reports) < len(self._added):
            reason = refused[0] if refused else f"no answer in {_FLUSH_SECONDS:g} s"
            raise DeliveryError(f"{self.name!r} did not take what was replayed: {reason}")
        self._known |= self._added
        self._added = {}

    def _written(self, block: OffsetBlock) -> bytes:
        return json.dumps(
            {"version": _VERSION, "topic_id": self._id, "offsets": str(block)}
        ).encode()

    def _note(self, record: Record) -> None:
        try:
            target, partition, number = (record.key or b"").decode().split("/")
            key = (target, int(partition), int(number))
            self._known.pop(key, None)
            if record.value is None:
                return
            document = json.loads(record.value)
            if document["version"] != _VERSION:
                raise ValueError(f"version {document['version']!r}")
            if document["topic_id"] == self._id:
                self._known[key] = OffsetBlock.of_text(key[2], document["offsets"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self.name}[{record.partition}]@{record.offset} does not say what was replayed: "
                f"{error}; replay with --again, or delete that topic to begin anew"
            ) from error


def _key(target: str, record: Record) -> _Key:
    return target, record.partition, record.offset // BLOCK
