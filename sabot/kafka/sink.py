"""Where rows go: a topic of a cluster, and how they become records there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sabot.codecs import Codec, create_codec
from sabot.errors import ConfigurationError, nearest
from sabot.kafka.embedded import is_embedded, resolve_bootstrap
from sabot.kafka.properties import producer_properties
from sabot.kafka.record_columns import RecordColumns

__all__ = ["KafkaSinkConfig", "client_properties"]

KeyExtractor = Callable[[dict[str, Any]], bytes | None]

_PARTS = (
    "key_codec_type",
    "key_codec_options",
    "key_column",
    "headers_column",
    "tombstones",
)
_COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")

_DEFAULTS: Mapping[str, Any] = {
    "enable.idempotence": True,
    # Java producers and Faust place keys this way; librdkafka's own default does not, and
    # two topics with the same keys must have them on the same partitions.
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    # A bound for memory: records wait here while the broker is slow, then senders wait.
    "queue.buffering.max.kbytes": 16384,
    "queue.buffering.max.messages": 1000000,
    # Below the session time-out, so that a worker that was taken for dead has nothing
    # left to deliver when its partitions are read by another.
    "delivery.timeout.ms": 30000,
}


@dataclass(frozen=True, slots=True, eq=False)
class KafkaSinkConfig:
    """A topic to write to.

    Attributes:
        bootstrap_servers: ``"host:port"``, several with commas, or ``"embedded://"``.
        topic: The topic.
        codec_type, codec_options: How values are encoded.
        compression_type: How batches are compressed on the wire and in the log.
        key: A function of the row as a dict, or a column's name, that gives the record's
            key; ``None`` keeps the key of the record the row came from.
        properties: librdkafka producer properties given by the user, checked.
        columns: Which columns become the key and the headers.
        tombstones: Whether a row of nulls is written as a record without a value.
    """

    bootstrap_servers: str
    topic: str
    codec_type: str | Codec = "json"
    codec_options: Mapping[str, Any] | None = None
    compression_type: str = "lz4"
    key: KeyExtractor | str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    columns: RecordColumns = field(default_factory=RecordColumns)
    tombstones: bool = False

    @classmethod
    def from_options(
        cls,
        bootstrap_servers: str,
        topic: str,
        codec_type: str | Codec = "json",
        codec_options: Mapping[str, Any] | None = None,
        compression_type: str = "lz4",
        key_extractor: KeyExtractor | str | None = None,
        **producer_kwargs: Any,
    ) -> KafkaSinkConfig:
        """Check what ``Stream.to_kafka`` was given; does no I/O.

        Raises:
            ConfigurationError: If something cannot work, with what is allowed.
        """
        if not isinstance(topic, str) or not topic:
            raise ConfigurationError(f"topic must be a topic's name; got {topic!r}")
        if not isinstance(bootstrap_servers, str) or not bootstrap_servers:
            raise ConfigurationError(
                f"bootstrap_servers must be 'host:port'; got {bootstrap_servers!r}"
            )
        compression = compression_type or "none"
        if compression not in _COMPRESSIONS:
            raise ConfigurationError(
                f"compression_type is {compression_type!r}; allowed are "
                f"{', '.join(_COMPRESSIONS)}{nearest(str(compression), _COMPRESSIONS)}"
            )
        if not (key_extractor is None or isinstance(key_extractor, str) or callable(key_extractor)):
            raise ConfigurationError(
                f"key_extractor must be a function of a dict or a column's name; "
                f"got {key_extractor!r}"
            )
        dotted = producer_kwargs.pop("producer_config", None)
        columns, tombstones = _parts(producer_kwargs, key_extractor)
        properties = producer_properties(
            producer_kwargs, dotted, also_allowed=("producer_config", "key_extractor", *_PARTS)
        )
        create_codec(
            codec_type, codec_options, topic=topic
        )  # its options are wrong here or nowhere
        return cls(
            bootstrap_servers,
            topic,
            codec_type,
            codec_options,
            compression,
            key_extractor,
            properties,
            columns,
            tombstones,
        )

    @property
    def title(self) -> str:
        """One line for people."""
        codec = self.codec_type if isinstance(self.codec_type, str) else self.codec_type.name
        return (
            f"kafka {self.topic!r} ({codec}, {self.compression_type}) at {self.bootstrap_servers}"
        )

    @property
    def label(self) -> str:
        """The topic."""
        return self.topic

    def create_codec(self) -> Codec:
        """Return a codec of the sink's own, to be used by one thread."""
        return create_codec(self.codec_type, self.codec_options, topic=self.topic)


def _parts(
    options: dict[str, Any], key_extractor: KeyExtractor | str | None
) -> tuple[RecordColumns, bool]:
    """Take the options about keys, headers and tombstones out of the others."""
    given = {name: options.pop(name) for name in _PARTS if name in options}
    tombstones = given.pop("tombstones", False)
    if not isinstance(tombstones, bool):
        raise ConfigurationError(f"tombstones is {tombstones!r}; allowed: True, False")
    if key_extractor is not None and given.get("key_codec_type") is not None:
        raise ConfigurationError(
            "key_extractor and key_codec_type both make the key; give one of them"
        )
    return RecordColumns(**given), tombstones


def client_properties(config: KafkaSinkConfig, client_id: str) -> dict[str, Any]:
    """Return the complete producer properties of a sink; may start the embedded broker."""
    properties: dict[str, Any] = dict(_DEFAULTS)
    if is_embedded(config.bootstrap_servers):
        # The mock cluster drops a partition's oldest records past a few megabytes.
        properties["queue.buffering.max.kbytes"] = 4096
    properties["client.id"] = client_id
    properties.update(config.properties)
    acks = config.properties.get("acks", config.properties.get("request.required.acks"))
    if acks is not None and str(acks) not in ("all", "-1"):
        # The client's idempotence needs all in-sync replicas to answer.
        properties["enable.idempotence"] = False
    properties["compression.type"] = config.compression_type
    properties["bootstrap.servers"] = resolve_bootstrap(config.bootstrap_servers)
    return properties
