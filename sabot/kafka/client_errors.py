"""What a Kafka client complains of, and what it means to whoever reads.

A client reports trouble in two ways: to a callback (connections, credentials), kept here
so that an error raised later can name the cause, and in place of a message when polled
(the group, a partition), which `translate_error` turns into an error of Sabot's.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from sabot.errors import BrokerError, ConfigurationError, SabotError, TopicNotFoundError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

__all__ = ["LEADER_IS_NEW", "ClientErrors", "is_passing", "translate_error"]

_logger = logging.getLogger(__name__)

_CREDENTIALS = frozenset({"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"})
_LOG_EVERY_SECONDS = 30.0
_PASSING = frozenset(
    {
        "_ALL_BROKERS_DOWN",
        "_MSG_TIMED_OUT",
        "_TIMED_OUT",
        "_TRANSPORT",
        "LEADER_NOT_AVAILABLE",
        "NOT_CONTROLLER",
        "NOT_ENOUGH_REPLICAS",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "NOT_LEADER_FOR_PARTITION",
        "REQUEST_TIMED_OUT",
    }
)

_GROUP_TEXTS = {
    "INVALID_GROUP_ID": "is not a group id the cluster takes; choose another group_id",
    "GROUP_AUTHORIZATION_FAILED": "may not be used by this user; grant READ on the group",
    "INCONSISTENT_GROUP_PROTOCOL": "has members with another partition_assignment_strategy or "
    "group_protocol; use the same for all members, or another group_id",
    "INVALID_SESSION_TIMEOUT": "asks for a session_timeout_ms the cluster does not allow; its "
    "group.min.session.timeout.ms and group.max.session.timeout.ms are the bounds",
    "FENCED_INSTANCE_ID": "has another member with the same group_instance_id; give each its own",
    "UNSUPPORTED_ASSIGNOR": "asks for a group_remote_assignor that the cluster does not have",
    "UNSUPPORTED_VERSION": "uses a group_protocol that the cluster does not know; "
    "use group_protocol='classic'",
    "GROUP_MAX_SIZE_REACHED": "has as many members as the cluster allows",
}
_WRONG_SETTINGS = frozenset(
    {
        "INVALID_GROUP_ID",
        "INVALID_SESSION_TIMEOUT",
        "UNSUPPORTED_ASSIGNOR",
        "UNSUPPORTED_VERSION",
    }
)


class ClientErrors:
    """Keeps the last complaints of one client; its `note` is the client's ``error_cb``.

    Called by whichever thread polls the client. A connection that is retried complains
    many times a second, so each kind is logged once in 30 seconds.

    Args:
        bootstrap: The cluster's address, for messages.
        user: The name the client authenticates by, if it does.
        kept: How many complaints to keep.
    """

    def __init__(self, bootstrap: str, *, user: str | None = None, kept: int = 16) -> None:
        self.bootstrap = bootstrap
        self._user = user
        self._texts: deque[str] = deque(maxlen=kept)
        self._refusal: str | None = None
        self._logged: dict[str, float] = {}

    def note(self, error: KafkaError) -> None:
        """Take one complaint."""
        name, text = error.name(), error.str()
        if name in _CREDENTIALS:
            self._refusal = text
        # "All brokers are down" follows the reason and would hide it.
        if name != "_ALL_BROKERS_DOWN" and text not in self._texts:
            self._texts.append(text)
        now = time.monotonic()
        if now - self._logged.get(name, -_LOG_EVERY_SECONDS) >= _LOG_EVERY_SECONDS:
            self._logged[name] = now
            _logger.warning("kafka client of %s: %s (%s)", self.bootstrap, text, name)

    @property
    def last(self) -> str:
        """The last complaint, or ``"no answer"``."""
        return self._texts[-1] if self._texts else "no answer"

    def recent(self) -> list[str]:
        """Return the complaints kept, oldest first."""
        return list(self._texts)

    def raise_refusal(self) -> None:
        """Raise if the cluster has refused the credentials.

        Raises:
            ConfigurationError: Then, naming the user but never the password.
        """
        if self._refusal is not None:
            raise ConfigurationError(
                _refused_credentials(self.bootstrap, self._refusal, self._user)
            )


def _refused_credentials(bootstrap: str, reason: str, user: str | None) -> str:
    of = f" of user {user!r}" if user else ""
    return (
        f"the cluster at {bootstrap!r} refused the credentials{of}: {reason}; check "
        "sasl_plain_username, sasl_plain_password, sasl_mechanism and security_protocol"
    )


LEADER_IS_NEW = frozenset(
    {
        "FENCED_LEADER_EPOCH",
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_FOR_PARTITION",
        "UNKNOWN_LEADER_EPOCH",
    }
)
"""What is said of a partition whose leader changed: the client or the leader hears of it
later than the other. The admin client asks nobody else by itself."""


def is_passing(error: KafkaError) -> bool:
    """Whether the answer to a request says that it may be granted another time."""
    return error.retriable() or error.name() in _PASSING


def translate_error(
    error: KafkaError, *, bootstrap: str, group_id: str, topic: str | None = None
) -> SabotError | None:
    """Return the error that a polled complaint amounts to, or ``None`` if it will pass.

    The client itself tries again after whatever may pass (a broker that restarts, a
    rebalance), so the caller polls on. A position out of range is the caller's to judge,
    since only the caller knows the position.
    """
    name, text = error.name(), error.str()
    if name in _CREDENTIALS:
        return ConfigurationError(_refused_credentials(bootstrap, text, None))
    if name in _GROUP_TEXTS:
        message = f"group {group_id!r} at {bootstrap!r} {_GROUP_TEXTS[name]} ({text})"
        return ConfigurationError(message) if name in _WRONG_SETTINGS else BrokerError(message)
    if name in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"):
        return TopicNotFoundError(
            f"topic {topic!r} is gone from the cluster at {bootstrap!r}: {text}"
        )
    if name == "TOPIC_AUTHORIZATION_FAILED":
        return BrokerError(f"topic {topic!r} at {bootstrap!r} may not be read by this user: {text}")
    if error.fatal():
        return BrokerError(f"the client of group {group_id!r} at {bootstrap!r} gave up: {text}")
    return None
