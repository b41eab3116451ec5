"""Sending dead letters back: to a retry topic, to their source, or to any topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sabot.errors import ConfigurationError, DeliveryError
from sabot.kafka.connect import check_cluster, client_errors, open_producer
from sabot.kafka.dead_letters import Letter, replay_headers, retry_topic_of
from sabot.kafka.embedded import resolve_bootstrap
from sabot.kafka.replay_ledger import ReplayLedger

__all__ = ["Replay", "ReplayRoute"]

_TIMEOUT = 10.0
_FLUSH_SECONDS = 60.0
_ROUND = 10_000
"""After so many letters it is waited for their arrival, and that is written down."""


@dataclass(frozen=True, slots=True)
class ReplayRoute:
    """Which letters may go back, and where to.

    Attributes:
        to: The topic for all of them; unless given, each letter's own retry topic.
        to_source: Go to the topic each was read from at first, for every reader of it.
        max_attempts: Letters that were replayed so often stay where they are, so that a
            record nobody can take does not go round for ever.

    Raises:
        ConfigurationError: If both targets are given, or the bound is below one.
    """

    to: str | None = None
    to_source: bool = False
    max_attempts: int = 5

    def __post_init__(self) -> None:
        if self.to is not None and self.to_source:
            raise ConfigurationError("--to and --to-source name two targets; give one of them")
        if self.max_attempts < 1:
            raise ConfigurationError(
                f"max_attempts is {self.max_attempts!r}; it must be at least 1"
            )

    def target(self, letter: Letter) -> str:
        """Return the topic a letter goes to.

        Raises:
            ConfigurationError: If the letter does not say where it came from, or would
                go to the dead-letter topic itself.
        """
        target = self.to or (letter.origin if self.to_source else None) or retry_topic_of(letter)
        if target == letter.record.topic:
            raise ConfigurationError(f"{target!r} is the dead-letter topic itself; name another")
        return target

    def refusal(self, letter: Letter) -> str | None:
        """Say why a letter stays where it is, if it does."""
        if letter.replays >= self.max_attempts:
            return f"replayed {letter.replays} times already"
        if letter.truncated is not None:
            return "its value was cut off"
        return None


class Replay:
    """Sends letters back, waits for them to arrive, and writes down that they have.

    Key, value and headers are as they were, without what was added about the failure; the
    timestamp is the original record's. Keys choose partitions as those of a sink do.

    Args:
        bootstrap: The cluster's address.
        route: Where letters go.
        ledger: Where it is remembered; without it, nowhere.
        properties: Further librdkafka properties, such as credentials.
        timeout: Seconds until an unreachable cluster or a missing topic is an error.
    """

    def __init__(
        self,
        bootstrap: str,
        route: ReplayRoute,
        ledger: ReplayLedger | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        timeout: float = _TIMEOUT,
    ) -> None:
        complete = {
            "client.id": "sabot",
            **(properties or {}),
            "bootstrap.servers": resolve_bootstrap(bootstrap),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
        self._route = route
        self._ledger = ledger
        self._timeout = timeout
        self._errors = client_errors(complete)
        self._producer = open_producer(complete, self._errors)
        self._failures: list[str] = []
        self._arrived = 0
        self._sent = 0

    def check_targets(self, topics: Iterable[str]) -> None:
        """Wait until all targets are there, before anything is sent.

        Raises:
            BrokerUnavailableError: If no broker answers in time.
            TopicNotFoundError: If a topic does not exist and the cluster creates none.
        """
        check_cluster(self._producer, topics, timeout=self._timeout, errors=self._errors)

    def send(self, letter: Letter) -> None:
        """Hand one letter over; it has arrived when `finish` returns.

        Raises:
            DeliveryError: As `finish`, for those that were handed over before.
        """
        record, target = letter.record, self._route.target(letter)

        def report(error: Any, _message: Any) -> None:
            if error is not None:
                self._failures.append(f"{target!r}: {error.str()}")
                return
            self._arrived += 1
            if self._ledger is not None:
                self._ledger.add(target, record)

        while True:
            try:
                self._producer.produce(
                    target,
                    record.value,
                    record.key,
                    headers=replay_headers(letter, to_source=self._route.to_source),
                    timestamp=letter.timestamp or 0,
                    on_delivery=report,
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._sent += 1
        if self._sent % _ROUND == 0:
            self.finish()

    def finish(self) -> int:
        """Wait until everything has arrived; return how many did.

        Raises:
            DeliveryError: If something was refused, or is not confirmed in time. What has
                arrived is written down all the same.
        """
        left = self._producer.flush(_FLUSH_SECONDS)
        if self._ledger is not None:
            self._ledger.store()
        if self._failures or left:
            reason = self._failures[0] if self._failures else f"no answer in {_FLUSH_SECONDS:g} s"
            raise DeliveryError(
                f"{self._arrived} dead letters have arrived, {len(self._failures) + left} have "
                f"not: {reason}"
            )
        return self._arrived
