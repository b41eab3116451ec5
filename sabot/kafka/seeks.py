"""Partitions that are to be read anew, asked for by other threads than the reader's."""

from __future__ import annotations

import queue
from collections.abc import Collection, Mapping
from typing import Any

from sabot.types import TopicPartition

__all__ = ["SeekRequests"]


class SeekRequests:
    """What was asked for, until the reader's thread gets to it."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[TopicPartition] = queue.SimpleQueue()

    def ask(self, partitions: Collection[TopicPartition]) -> None:
        """Ask for partitions to be read anew, from any thread."""
        for tp in partitions:
            self._waiting.put(tp)

    def serve(
        self,
        client: Any,
        positions: Mapping[TopicPartition, int],
        paused: Collection[TopicPartition],
    ) -> None:
        """Read them anew from where they stand; for the reader's thread only.

        A pause that nobody remembers is undone too: the client goes on reading what is
        not to be ``paused``. What it had fetched and not handed over it fetches again.

        Args:
            client: The consumer.
            positions: The next offset of each partition; one without is not ours.
            paused: What must stay paused.
        """
        from confluent_kafka import KafkaException
        from confluent_kafka import TopicPartition as ClientPartition

        while not self._waiting.empty():
            tp = self._waiting.get()
            if tp not in positions or tp in paused:
                continue
            place = ClientPartition(tp.topic, tp.partition, positions[tp])
            try:
                client.seek(place)
                client.resume([place])
            except KafkaException:
                # It is being taken away; otherwise the watchdog finds it stuck again.
                continue
