"""Writes transactions into a topic at a bounded rate, and waits for slow readers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from examples.fraud.transactions import transactions
from sabot.errors import BrokerUnavailableError
from sabot.kafka.admin import create_topic, end_offsets
from sabot.kafka.embedded import resolve_bootstrap
from sabot.kafka.producer import KafkaProducer

__all__ = ["Generator"]

_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 0.05


class Generator:
    """Writes the same transactions for the same seed, keyed by card.

    A broker that keeps only so much of a log (the embedded one keeps about 5 MB of a
    partition) drops what nobody has read yet. So the generator looks at how many
    transactions have come out at the other end, and pauses while too many have not.

    Args:
        broker: The cluster.
        topic: Where to write.
        copies: The topics that, taken together, get each transaction once.
        rate: Transactions per second, at most.
        seconds: How long to write.
        most_ahead: Transactions in the topic that have not come out, at most. 20,000 of
            140 bytes in four partitions are far below what is kept.
    """

    def __init__(
        self,
        broker: str,
        topic: str,
        copies: Sequence[str],
        *,
        rate: float,
        seconds: float = float("inf"),
        most_ahead: int = 20_000,
    ) -> None:
        self._broker = broker
        self._topic = topic
        self._copies = copies
        self._rate = rate
        self._seconds = seconds
        self._most_ahead = most_ahead
        self.written = 0
        """Transactions the broker has taken."""
        self.done = False
        """Whether it has written all it is going to write."""
        self.waiting = False
        """Whether it waits for transactions to come out at the other end."""

    async def run(self) -> None:
        """Write until the time is over; cancelling it ends it after the batch in hand."""
        for topic in (self._topic, *self._copies):
            await asyncio.to_thread(create_topic, self._broker, topic, 4)
        properties = {"compression.type": "lz4", "linger.ms": 5}
        producer = KafkaProducer(
            {"bootstrap.servers": resolve_bootstrap(self._broker), **properties}
        )
        try:
            await self._write_until_done(producer)
        finally:
            producer.close()
            self.done = True

    async def _write_until_done(self, producer: KafkaProducer) -> None:
        source = transactions()
        before = await asyncio.to_thread(self._ahead)
        clock = looked = time.monotonic()
        spent, due = 0.0, 0.0
        while spent < self._seconds:
            await asyncio.sleep(_PAUSE_SECONDS)
            now = time.monotonic()
            passed, clock = now - clock, now
            if now - looked > _LOOK_SECONDS:
                ahead = await asyncio.to_thread(self._ahead) - before
                self.waiting = ahead > self._most_ahead
                looked = now
            if self.waiting:
                continue
            spent += passed
            # What a slow machine could not write in time is not made up for all at once.
            due = min(due + passed * self._rate, self._rate)
            batch = list(islice(source, int(due)))
            due -= len(batch)
            await asyncio.to_thread(self._write, producer, batch)

    def _write(self, producer: KafkaProducer, batch: Sequence[dict[str, Any]]) -> None:
        parcel = producer.send(
            self._topic,
            [json.dumps(transaction).encode() for transaction in batch],
            [transaction["card"].encode() for transaction in batch],
            [0] * len(batch),
        )
        if not producer.wait([parcel], 30.0):
            raise BrokerUnavailableError(f"{self._topic!r} took no transactions for 30 s")
        self.written += parcel.good

    def _ahead(self) -> int:
        """Return how many transactions have not come out yet."""
        come_out = sum(self._end(topic) for topic in self._copies)
        return self._end(self._topic) - come_out

    def _end(self, topic: str) -> int:
        return sum(end_offsets(self._broker, topic).values())
