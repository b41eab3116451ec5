"""Option names people know from the guide and other clients, and what they become.

Data only: each name maps to the librdkafka property of the same meaning. Names that are
a property with ``_`` for ``.`` need no line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "CONSUMER_NAMES",
    "CONSUMER_OWNED",
    "CONVERSIONS",
    "PRODUCER_NAMES",
    "PRODUCER_OWNED",
    "PYTHON_ONLY",
    "REFUSED_NAMES",
]

_SHARED_NAMES = {
    "receive_buffer_bytes": "socket.receive.buffer.bytes",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_password": "sasl.password",
    "sasl_plain_username": "sasl.username",
    "send_buffer_bytes": "socket.send.buffer.bytes",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_check_hostname": "ssl.endpoint.identification.algorithm",
    "ssl_ciphers": "ssl.cipher.suites",
    "ssl_crlfile": "ssl.crl.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
}

CONSUMER_NAMES: Mapping[str, str] = {
    **_SHARED_NAMES,
    "fetch_max_wait_ms": "fetch.wait.max.ms",
    "request_timeout_ms": "socket.timeout.ms",
}
"""Keyword options of a source that are not simply a property with ``_`` for ``.``."""

PRODUCER_NAMES: Mapping[str, str] = {
    **_SHARED_NAMES,
    "buffer_memory": "queue.buffering.max.kbytes",
    "max_request_size": "message.max.bytes",
}
"""Keyword options of a sink that are not simply a property with ``_`` for ``.``."""

CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "buffer_memory": lambda octets: max(1, int(octets) // 1024),
    "ssl_check_hostname": lambda check: "https" if check else "none",
}
"""How the value of such an option becomes the property's value, where it changes."""

PYTHON_ONLY = frozenset({"logger", "oauth_cb", "stats_cb", "throttle_cb"})
"""Settings of the Python client that librdkafka does not know by these names."""

REFUSED_NAMES: Mapping[str, str] = {
    "api_version": "the client finds the broker's version by itself",
    "consumer_timeout_ms": "a source has no end; use collect(timeout=...)",
    "key_deserializer": "use key_codec_type and key_codec_options",
    "key_serializer": "use key_extractor, which returns bytes, or key_codec_type",
    "max_block_ms": "a full producer queue holds the source back instead",
    "on_delivery": "Sabot counts delivery reports to know what may be committed",
    "value_deserializer": "use codec_type and codec_options",
    "value_serializer": "use codec_type and codec_options",
}
"""Names of other clients that have no counterpart, and what to do instead."""

_TOPIC_CONFIG = "give its properties one by one"
_BOOTSTRAP = "give it as bootstrap_servers"
_COMMITS = "Sabot commits what is finished; use enable_auto_commit and auto_commit_interval_ms"
_STORE = "Sabot commits counted positions, never the ones the client has handed out"
_ERRORS = "Sabot turns the client's errors into exceptions"
_REBALANCE = "Sabot commits and restores positions when partitions move"
_REPORTS = "Sabot counts delivery reports to know what may be committed"

CONSUMER_OWNED: Mapping[str, str] = {
    "auto.commit.enable": _COMMITS,
    "auto.commit.interval.ms": "use auto_commit_interval_ms",
    "auto.offset.reset": "use auto_offset_reset; the client itself always gets 'error', "
    "so that no position is moved without a word",
    "bootstrap.servers": _BOOTSTRAP,
    "consume_cb": "Sabot reads by polling",
    "default.topic.config": _TOPIC_CONFIG,
    "enable.auto.commit": _COMMITS,
    "enable.auto.offset.store": _STORE,
    "enable.partition.eof": "Sabot needs the end of a partition to know that it has caught up",
    "error_cb": _ERRORS,
    "group.id": "give it as group_id",
    "max.poll.records": "use batch_size",
    "metadata.broker.list": _BOOTSTRAP,
    "offset.store.method": _STORE,
    "offset.store.path": _STORE,
    "offset.store.sync.interval.ms": _STORE,
    "offset_commit_cb": _COMMITS,
    "on_commit": _COMMITS,
    "rebalance_cb": _REBALANCE,
    "share.acknowledgement.mode": "Sabot reads by consumer groups, not by share groups",
}
"""Consumer properties Sabot sets itself, with the reason and the way out."""

PRODUCER_OWNED: Mapping[str, str] = {
    "bootstrap.servers": _BOOTSTRAP,
    "default.topic.config": _TOPIC_CONFIG,
    "delivery.report.only.error": _REPORTS,
    "dr_cb": _REPORTS,
    "dr_msg_cb": _REPORTS,
    "error_cb": _ERRORS,
    "metadata.broker.list": _BOOTSTRAP,
    "on_delivery": _REPORTS,
    "transactional.id": "Sabot names transactions itself, so that a restart fences the old worker",
}
"""Producer properties Sabot sets itself, with the reason and the way out."""
