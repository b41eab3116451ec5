"""The settings of a Kafka source: the guide's names, checked when they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast

from sabot.codecs import Codec, create_codec
from sabot.errors import ConfigurationError, nearest
from sabot.kafka.embedded import is_embedded, resolve_bootstrap
from sabot.kafka.properties import check_properties, consumer_properties
from sabot.kafka.record_columns import DEFAULT_KEY_COLUMN, RecordColumns

__all__ = ["DEFAULT_BATCH_SIZE", "ErrorPolicy", "KafkaSourceConfig"]

ErrorPolicy = Literal["skip", "fail", "retry", "dead_letter"]

DEFAULT_BATCH_SIZE = 1000
_DEFAULT_POLL_RECORDS = 500
_POLICIES = ("skip", "fail", "retry", "dead_letter")
_RESETS = ("earliest", "latest")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")

_THROUGHPUT: Mapping[str, Any] = {
    # After a full queue the client waits this long before it fetches again; its default
    # of a second shows as gaps (docs/decisions/fetch-defaults.md).
    "fetch.queue.backoff.ms": 5,
    "queued.min.messages": 1_000_000,
    # What bounds the memory: 16 MB of records fetched ahead in one consumer, plus the one
    # answer of each broker that crossed the bound.
    "queued.max.messages.kbytes": 16_384,
    "fetch.max.bytes": 16_777_216,
}
_OWN: Mapping[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
}
_CLIENT_FIELDS = (
    "auto_offset_reset",
    "enable_auto_commit",
    "auto_commit_interval_ms",
    "fetch_min_bytes",
    "fetch_max_wait_ms",
    "batch_size",
    "connect_timeout_seconds",
)
_POSITIVE = (
    "auto_commit_interval_ms",
    "max_poll_records",
    "fetch_min_bytes",
    "batch_size",
    "connect_timeout_seconds",
)
_NOT_NEGATIVE = ("fetch_max_wait_ms", "max_retry_attempts", "retry_backoff_seconds")
_WHOLE = frozenset(
    {
        "auto_commit_interval_ms",
        "max_poll_records",
        "fetch_min_bytes",
        "fetch_max_wait_ms",
        "max_retry_attempts",
        "batch_size",
    }
)


@dataclass(frozen=True)
class KafkaSourceConfig:
    """What a source reads and how; checked at once, without asking the cluster.

    A source prefetches up to 16 MB, plus one answer of at most 16 MB from each broker;
    ``queued.max.messages.kbytes`` and ``fetch.max.bytes`` in ``consumer_config`` move
    these bounds.

    Attributes:
        bootstrap_servers: ``"host:port"``, several with commas or as a list, or
            ``"embedded://"`` for the broker inside this process.
        topic: The topic.
        group_id: The consumer group; its committed offsets are where a restart goes on.
        codec_type: The format of the values: a registered name or a `Codec`, which is
            used by one thread at a time: sources that run together need one each.
        codec_options: What that codec takes.
        auto_offset_reset: Where a group without any commit on the topic starts,
            ``"latest"`` or ``"earliest"``. Decided once for the group: a partition added
            later is read from its beginning either way.
        enable_auto_commit: Commit what is finished, every ``auto_commit_interval_ms``
            and when partitions or the source are given up. Without it nothing is
            committed but by ``commit()``.
        auto_commit_interval_ms: Milliseconds between commits.
        max_poll_records: Bounds a batch where ``batch_size`` is not given.
        fetch_min_bytes: Let the broker gather so much before it answers.
        fetch_max_wait_ms: But no longer than this.
        error_handling_policy: ``"skip"``, ``"fail"``, ``"retry"`` or ``"dead_letter"``.
            Unset, records that cannot be decoded are skipped, while a step that raises
            fails; set, it covers both.
        max_retry_attempts: How often ``"retry"`` tries again before it fails.
        retry_backoff_seconds: The wait before the first of these; it doubles.
        dead_letter_topic: Where ``"dead_letter"`` puts records.
        error_sample_rate: The share of failures that is logged, 0.0 to 1.0.
        consumer_config: librdkafka properties by their own names; they win over the
            fields above.
        batch_size: Most records in a batch; an upper bound, never waited for.
        connect_timeout_seconds: How long an unreachable broker or a missing topic may
            take to become an error.
        transient: Exceptions of steps that will pass, and are retried under any policy.
        retry_topic: A topic whose records come in beside those of ``topic``: dead letters
            sent back by ``sabot dlq replay``. Each takes only the branches that have the
            step it failed in. It is read from its beginning.
        key_codec_type, key_codec_options: Decode keys, too, and put them into a column: one
            value for text and bytes, a struct for documents. A key that cannot be decoded
            is a failure of its record.
        key_column: What that column is called.
        headers_column: Put the headers into a column of this name: a list of structs of
            ``name`` and ``value`` (bytes).

    Raises:
        ConfigurationError: If a value is not usable; says what is allowed.

    Example:
        >>> KafkaSourceConfig("localhost:9092", "orders", "billing").auto_offset_reset
        'latest'
    """

    bootstrap_servers: str | Sequence[str]
    topic: str
    group_id: str
    codec_type: str | Codec = "json"
    codec_options: Mapping[str, Any] | None = None
    auto_offset_reset: Literal["earliest", "latest"] = "latest"
    enable_auto_commit: bool = True
    auto_commit_interval_ms: int = 5000
    max_poll_records: int = _DEFAULT_POLL_RECORDS
    fetch_min_bytes: int = 1
    fetch_max_wait_ms: int = 500
    error_handling_policy: ErrorPolicy | None = None
    max_retry_attempts: int = 3
    retry_backoff_seconds: float = 1.0
    dead_letter_topic: str | None = None
    error_sample_rate: float = 0.1
    consumer_config: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = DEFAULT_BATCH_SIZE
    connect_timeout_seconds: float = 10.0
    transient: tuple[type[BaseException], ...] = ()
    retry_topic: str | None = None
    key_codec_type: str | Codec | None = None
    key_codec_options: Mapping[str, Any] | None = None
    key_column: str = DEFAULT_KEY_COLUMN
    headers_column: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "bootstrap_servers", _bootstrap(self.bootstrap_servers))
        object.__setattr__(self, "codec_options", dict(self.codec_options or {}))
        object.__setattr__(self, "consumer_config", dict(self.consumer_config or {}))
        _check_names(self)
        _check_numbers(self)
        _check_policy(self)
        self.record_columns()
        check_properties("consumer", self.consumer_config)
        if self.batch_size == DEFAULT_BATCH_SIZE and self.max_poll_records != _DEFAULT_POLL_RECORDS:
            object.__setattr__(self, "batch_size", self.max_poll_records)

    @classmethod
    def from_options(
        cls,
        bootstrap_servers: str | Sequence[str],
        topic: str,
        group_id: str,
        codec_type: str | Codec = "json",
        codec_options: Mapping[str, Any] | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        **consumer_kwargs: Any,
    ) -> KafkaSourceConfig:
        """Make a config of `Stream.from_kafka`'s arguments.

        Args:
            bootstrap_servers, topic, group_id, codec_type, codec_options, batch_size: The
                fields of these names.
            **consumer_kwargs: Other fields by name, names of other Python clients, or
                librdkafka properties with ``_`` for ``.``.

        Raises:
            ConfigurationError: If an option is unknown (with the nearest name) or its
                value is not usable.

        Example:
            >>> options = {"fetch_max_wait_ms": 50, "session_timeout_ms": 6000}
            >>> config = KafkaSourceConfig.from_options("localhost:9092", "t", "g", **options)
            >>> config.fetch_max_wait_ms, config.consumer_config
            (50, {'session.timeout.ms': 6000})
        """
        names = {each.name for each in fields(cls)}
        own = {name: consumer_kwargs[name] for name in consumer_kwargs if name in names}
        others = {name: consumer_kwargs[name] for name in consumer_kwargs if name not in names}
        dotted = own.pop("consumer_config", None) or {}
        return cls(
            bootstrap_servers,
            topic,
            group_id,
            codec_type,
            codec_options,
            batch_size=batch_size,
            consumer_config=consumer_properties(others, dotted, also_allowed=names),
            **own,
        )

    @property
    def title(self) -> str:
        """One line for people."""
        codec = self.codec_type if isinstance(self.codec_type, str) else self.codec_type.name
        return (
            f"kafka {self.topic!r} ({codec}), group {self.group_id!r} at {self.bootstrap_servers}"
        )

    @property
    def bounded(self) -> bool:
        """Whether the source ends by itself: a topic never does."""
        return False

    def create_codec(self) -> Codec:
        """Return a codec of the source's own, to be used by one thread."""
        return create_codec(self.codec_type, self.codec_options, topic=self.topic)

    def record_columns(self) -> RecordColumns:
        """Return what is asked for of keys and headers."""
        return RecordColumns(
            self.key_codec_type, self.key_codec_options, self.key_column, self.headers_column
        )

    @property
    def decode_policy(self) -> ErrorPolicy:
        """What happens to a record that cannot be decoded."""
        return self.error_handling_policy or "skip"

    @property
    def processing_policy(self) -> ErrorPolicy:
        """What happens to a record that a step cannot take."""
        return self.error_handling_policy or "fail"

    @property
    def is_retry(self) -> bool:
        """Whether this is what `retries` made."""
        return self.topic == self.retry_topic

    def retries(self) -> KafkaSourceConfig | None:
        """Return the source of the records that are sent back, where there is one.

        Raises:
            ConfigurationError: If it would be the same topic.
        """
        if self.retry_topic is None:
            return None
        if self.is_retry:
            raise ConfigurationError(
                f"retry_topic is {self.retry_topic!r}, which is the topic itself; give another"
            )
        return replace(self, topic=self.retry_topic, auto_offset_reset="earliest")

    @property
    def domain(self) -> tuple[str, str]:
        """The cluster's address and the group: sources equal in both are one consumer."""
        servers = cast("str", self.bootstrap_servers).split(",")
        return ",".join(sorted(servers)), self.group_id

    def differing(self, other: KafkaSourceConfig) -> list[str]:
        """Return the options that two sources of one domain would have to agree on.

        Example:
            >>> one = KafkaSourceConfig("localhost:9092", "t", "g", fetch_min_bytes=10)
            >>> one.differing(KafkaSourceConfig("localhost:9092", "u", "g"))
            ['fetch_min_bytes']
        """
        names = [name for name in _CLIENT_FIELDS if getattr(self, name) != getattr(other, name)]
        mine, theirs = self.consumer_config, other.consumer_config
        names += [name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]
        return names

    def client_properties(self) -> dict[str, Any]:
        """Return the consumer's librdkafka properties; starts the embedded broker if named.

        With ``group_protocol="consumer"`` the cluster's own assignment and session timeout
        hold. The embedded broker knows no cooperative rebalance, hence ``range`` there.
        """
        bootstrap = cast("str", self.bootstrap_servers)
        properties: dict[str, Any] = {
            "bootstrap.servers": resolve_bootstrap(bootstrap),
            "group.id": self.group_id,
            "client.id": f"sabot-{self.group_id}",
            "isolation.level": "read_committed",
            "fetch.min.bytes": self.fetch_min_bytes,
            "fetch.wait.max.ms": self.fetch_max_wait_ms,
            "partition.assignment.strategy": "cooperative-sticky",
            **_THROUGHPUT,
        }
        if is_embedded(bootstrap):
            properties["partition.assignment.strategy"] = "range"
            properties["allow.auto.create.topics"] = True
            # It lets nobody into a group whose last member has left before that one's
            # session would have ended.
            properties["session.timeout.ms"] = 6000
        properties |= self.consumer_config
        properties |= _OWN
        if str(properties.get("group.protocol", "")).lower() == "consumer":
            for name in ("partition.assignment.strategy", "session.timeout.ms"):
                properties.pop(name, None)
            properties.pop("heartbeat.interval.ms", None)
        return properties

    @property
    def cooperative(self) -> bool:
        """Whether a rebalance takes and gives single partitions instead of all of them."""
        properties = self.consumer_config
        if str(properties.get("group.protocol", "")).lower() == "consumer":
            return True
        strategy = properties.get("partition.assignment.strategy")
        if strategy is None:
            return not is_embedded(cast("str", self.bootstrap_servers))
        return "cooperative" in str(strategy)


def _bootstrap(given: object) -> str:
    servers = [given] if isinstance(given, str) else given
    if not isinstance(servers, Sequence) or not all(isinstance(each, str) for each in servers):
        raise ConfigurationError(
            f"bootstrap_servers is {given!r}; allowed: 'host:port', several with commas, a list "
            "of such, or 'embedded://'"
        )
    parts = [part.strip() for each in servers for part in each.split(",")]
    if not all(parts) or not parts:
        raise ConfigurationError(
            f"bootstrap_servers is {given!r}, which names no broker; allowed: 'host:port', "
            "several with commas, a list of such, or 'embedded://'"
        )
    return ",".join(parts)


def _check_names(config: KafkaSourceConfig) -> None:
    create_codec(
        config.codec_type, config.codec_options, topic=config.topic
    )  # wrong here or nowhere
    for name in ("topic", "group_id"):
        value = getattr(config, name)
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"{name} is {value!r}; allowed: a str that is not empty")
    named = {name: getattr(config, name) for name in ("topic", "dead_letter_topic", "retry_topic")}
    for name, topic in named.items():
        if topic is not None and (not _TOPIC.fullmatch(topic) or topic in (".", "..")):
            raise ConfigurationError(
                f"{name} is {topic!r}; allowed: up to 249 of a-z A-Z 0-9 . _ -"
            )
    if config.auto_offset_reset not in _RESETS:
        raise ConfigurationError(
            f"auto_offset_reset is {config.auto_offset_reset!r}; allowed: "
            f"'earliest', 'latest'{nearest(str(config.auto_offset_reset), _RESETS)}"
        )
    if not isinstance(config.enable_auto_commit, bool):
        raise ConfigurationError(
            f"enable_auto_commit is {config.enable_auto_commit!r}; allowed: True, False"
        )


def _check_numbers(config: KafkaSourceConfig) -> None:
    for name in (*_POSITIVE, *_NOT_NEGATIVE):
        value = getattr(config, name)
        kind = int if name in _WHOLE else (int, float)
        low = "above 0" if name in _POSITIVE else "0 or above"
        if (
            isinstance(value, bool)
            or not isinstance(value, kind)
            or value < 0
            or (name in _POSITIVE and value == 0)
        ):
            whole = "a whole number" if name in _WHOLE else "a number"
            raise ConfigurationError(f"{name} is {value!r}; allowed: {whole} {low}")
    rate = config.error_sample_rate
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ConfigurationError(f"error_sample_rate is {rate!r}; allowed: 0.0 to 1.0")


def _check_policy(config: KafkaSourceConfig) -> None:
    policy = config.error_handling_policy
    if policy is not None and policy not in _POLICIES:
        raise ConfigurationError(
            f"error_handling_policy is {policy!r}; allowed: "
            f"{', '.join(map(repr, _POLICIES))}{nearest(str(policy), _POLICIES)}"
        )
    if policy == "dead_letter" and config.dead_letter_topic is None:
        raise ConfigurationError(
            "error_handling_policy is 'dead_letter', but no dead_letter_topic is given"
        )
    if config.dead_letter_topic is not None and config.dead_letter_topic == config.topic:
        raise ConfigurationError(
            f"dead_letter_topic is {config.topic!r}, the topic that is read: what fails "
            "would come back for ever"
        )
    for kind in config.transient:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ConfigurationError(f"transient has {kind!r}; allowed: classes of exceptions")
