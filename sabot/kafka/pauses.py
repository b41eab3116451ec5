"""The partitions a reader does not read on at present, because those who take them are full."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from sabot.kafka.reader_port import ReaderPort
from sabot.types import TopicPartition

if TYPE_CHECKING:
    import confluent_kafka

__all__ = ["Pauses"]

_STALL_SECONDS = 0.025
"""How long the reader holds still for some full actors before it pauses their partitions. A
pause throws away what the client has fetched ahead, so it must not happen for a mailbox
that drains at once."""

_LONG_STALL_SECONDS = 2.0
"""The same where nothing else could be read meanwhile."""


class Pauses:
    """Pauses and resumes partitions; used by the reader's thread only.

    Args:
        port: Says which partitions must not be read.
        serve: Called while it waits: whoever is full may wait for a commit.
        hurry: Whether there is no time to wait.

    Attributes:
        partitions: Those that are paused.
    """

    def __init__(
        self, port: ReaderPort, *, serve: Callable[[], None], hurry: Callable[[], bool]
    ) -> None:
        self._port = port
        self._serve = serve
        self._hurry = hurry
        self.partitions: frozenset[TopicPartition] = frozenset()

    def settle(
        self,
        consumer: confluent_kafka.Consumer,
        owned: Collection[TopicPartition],
        pending: Collection[TopicPartition],
    ) -> None:
        """Pause what is blocked now, and resume what is not any more.

        Args:
            consumer: The client.
            owned: The partitions that are ours.
            pending: Those that must not be read yet, whoever has room.
        """
        blocked = self._port.blocked(owned)
        if blocked - self.partitions:
            blocked = self._hold_still(blocked, owned)
        blocked |= frozenset(pending)
        if blocked == self.partitions:
            return
        to_pause = _as_client(blocked - self.partitions)
        if to_pause:
            consumer.pause(to_pause)
        to_resume = _as_client((self.partitions - blocked).intersection(owned))
        if to_resume:
            consumer.resume(to_resume)
        self.partitions = frozenset(blocked)

    def add(
        self, consumer: confluent_kafka.Consumer, partitions: Collection[TopicPartition]
    ) -> None:
        """Pause these as well."""
        if partitions:
            consumer.pause(_as_client(partitions))
            self.partitions |= frozenset(partitions)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Take note that the client has forgotten the pauses of these."""
        self.partitions -= frozenset(partitions)

    def _hold_still(
        self, blocked: frozenset[TopicPartition], owned: Collection[TopicPartition]
    ) -> frozenset[TopicPartition]:
        """Wait for room; return what is blocked after that."""
        everything = len(blocked) >= len(owned)
        deadline = time.monotonic() + (_LONG_STALL_SECONDS if everything else _STALL_SECONDS)
        while blocked - self.partitions and not self._hurry():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._port.wait_for_room(min(left, _STALL_SECONDS))
            self._serve()
            blocked = self._port.blocked(owned)
        return blocked


def _as_client(partitions: Collection[TopicPartition]) -> list[Any]:
    from confluent_kafka import TopicPartition as ClientPartition

    return [ClientPartition(tp.topic, tp.partition) for tp in partitions]
