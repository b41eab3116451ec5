"""One producer, and the parcels that say when what was handed to it is durable.

A checkpoint may commit an input offset only when everything made of it has arrived. So
each group of records is sent as a `Parcel`, which counts the good delivery reports; the
barrier of a checkpoint is "these parcels are settled", not ``flush()``, which under load
never ends because others go on producing.

Records are produced one by one: the client's batch call carries neither timestamps nor
headers, and with a full queue it drops the tail without raising
(``docs/decisions/produce.md``).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sabot.errors import BrokerUnavailableError, DeliveryError, InternalError
from sabot.kafka.connect import client_errors, open_producer
from sabot.types import Headers

if TYPE_CHECKING:
    import confluent_kafka

__all__ = ["NO_TIMESTAMP", "KafkaProducer", "Outgoing", "Parcel", "Undelivered"]

_ROW_FAULTS = frozenset({"INVALID_TIMESTAMP", "INVALID_RECORD", "MSG_SIZE_TOO_LARGE"})
"""Refusals that one record earns; the client fails its whole batch for them."""

NO_TIMESTAMP = 0
"""What stands for no time: the broker's or the client's clock says."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record on its way out, kept until it has arrived.

    Attributes:
        row: The number of the row it was made of, for whoever sent the parcel.
        timestamp: Milliseconds; 0 lets the broker's or client's clock say.
    """

    value: bytes | None
    key: bytes | None
    timestamp: int = NO_TIMESTAMP
    headers: Sequence[tuple[str, bytes | None]] | None = None
    row: int = 0


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A record the cluster refused, and the client's name of the reason."""

    code: str
    reason: str
    outgoing: Outgoing


@dataclass(slots=True, eq=False)
class Parcel:
    """Records that were handed to the producer together.

    Attributes:
        topic: Where they go.
        accepted: How many the producer's queue has taken.
        good: How many of those have arrived.
        refused: The others that were reported, as (code, reason, key, value).
        context: What the sender needs to make sense of a refusal.
        producer: Who has them, and who reports.
    """

    topic: str
    accepted: int = 0
    good: int = 0
    closed: bool = False
    refused: list[tuple[str, str, bytes | None, bytes | None]] = field(default_factory=list)
    values: Sequence[bytes | None] = ()
    keys: Sequence[bytes | None] = ()
    timestamps: Sequence[int] = ()
    rows: Sequence[int] = ()
    headers: Sequence[Headers] | None = None
    context: Any = None
    producer: KafkaProducer | None = None

    def reported(self, error: Any, message: Any) -> None:
        """Take one delivery report; called by whichever thread polls the producer."""
        if error is None:
            self.good += 1
        else:
            self.refused.append((error.name(), error.str(), message.key(), message.value()))

    @property
    def settled(self) -> bool:
        """Whether every record has been reported, well or badly."""
        return self.closed and self.good + len(self.refused) >= self.accepted

    @property
    def delivered(self) -> bool:
        """Whether every record has arrived."""
        return self.closed and not self.refused and self.good >= self.accepted

    def resolve(self, one: Undelivered) -> None:
        """Count a refused record as done: it went another way, or a policy let it go."""
        self.refused.remove((one.code, one.reason, one.outgoing.key, one.outgoing.value))
        self.good += 1

    def undelivered(self) -> list[Undelivered]:
        """Return the refused records in the order they were sent."""
        wanted: dict[tuple[bytes | None, bytes | None], list[tuple[str, str]]] = {}
        for code, reason, key, value in self.refused:
            wanted.setdefault((key, value), []).append((code, reason))
        found: list[Undelivered] = []
        for number, value in enumerate(self.values):
            key = self.keys[number] if self.keys else None
            reports = wanted.get((key, value))
            if reports:
                code, reason = reports.pop()
                stamp = self.timestamps[number] if self.timestamps else NO_TIMESTAMP
                row = self.rows[number] if self.rows else number
                headers = self.headers[number] if self.headers else None
                found.append(Undelivered(code, reason, Outgoing(value, key, stamp, headers, row)))
        return found


class KafkaProducer:
    """An idempotent producer for one cluster: order per partition survives retries.

    Any thread may send. Reports are served by whoever sends or waits.

    Args:
        properties: librdkafka properties, ``bootstrap.servers`` included.

    Attributes:
        errors: What the client complained of.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        import confluent_kafka

        self.errors = client_errors(properties)
        self._bootstrap = str(properties.get("bootstrap.servers", ""))
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._queue_full = BufferError
        self._kafka_error = confluent_kafka.KafkaException
        self._client: confluent_kafka.Producer = open_producer(properties, self.errors)

    @property
    def client(self) -> confluent_kafka.Producer:
        """The librdkafka producer, for checks at start.

        Raises:
            InternalError: In a forked child, where records would vanish without an error.
        """
        if os.getpid() != self._process:
            raise InternalError(
                "this process was forked after the producer was made; what it sends would be "
                "lost; start a fresh process instead (spawn, or subprocess)"
            )
        return self._client

    def send(
        self,
        topic: str,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        timestamps: Sequence[int],
        *,
        rows: Sequence[int] = (),
        headers: Sequence[Headers] | None = None,
        context: Any = None,
    ) -> Parcel:
        """Hand records to the producer in order, waiting where its queue is full.

        Args:
            topic: Where to.
            values: One for each record; ``None`` is a tombstone.
            keys: One for each record.
            timestamps: Milliseconds, one for each record; 0 for none.
            rows: Row numbers to report a refusal by.
            headers: For each record, if any has some.
            context: Kept on the parcel.
        """
        parcel = Parcel(
            topic,
            values=values,
            keys=keys,
            timestamps=timestamps,
            rows=rows,
            headers=headers,
            context=context,
            producer=self,
        )
        produce: Any = self.client.produce
        reported = parcel.reported
        number, count = 0, len(values)
        while number < count:
            try:
                while number < count:
                    produce(
                        topic,
                        values[number],
                        keys[number],
                        -1,
                        reported,
                        None,
                        timestamps[number],
                        None if headers is None else headers[number],
                    )
                    parcel.accepted += 1
                    number += 1
            except self._queue_full:
                # The same record again, before anything newer.
                self.poll(0.05)
            except self._kafka_error as error:
                self._refused_here(parcel, error, keys[number], values[number])
                number += 1
        parcel.closed = True
        self.poll()
        return parcel

    def send_one(self, topic: str, outgoing: Outgoing, *, context: Any = None) -> Parcel:
        """Hand over one record, with its headers."""
        parcel = Parcel(
            topic,
            values=(outgoing.value,),
            keys=(outgoing.key,),
            timestamps=(outgoing.timestamp,),
            rows=(outgoing.row,),
            context=context,
            producer=self,
        )
        headers: Any = list(outgoing.headers) if outgoing.headers else None
        while True:
            try:
                self.client.produce(
                    topic,
                    outgoing.value,
                    outgoing.key,
                    -1,
                    parcel.reported,
                    None,
                    outgoing.timestamp,
                    headers,
                )
                parcel.accepted += 1
                break
            except self._queue_full:
                self.poll(0.05)
            except self._kafka_error as error:
                self._refused_here(parcel, error, outgoing.key, outgoing.value)
                break
        parcel.closed = True
        return parcel

    def _refused_here(
        self, parcel: Parcel, error: Any, key: bytes | None, value: bytes | None
    ) -> None:
        cause = error.args[0]
        if cause.name() not in _ROW_FAULTS:
            raise DeliveryError(
                f"cannot produce to {parcel.topic!r} at {self._bootstrap!r}: {cause.str()}"
            ) from error
        parcel.accepted += 1
        parcel.refused.append((cause.name(), cause.str(), key, value))

    def poll(self, timeout: float = 0.0) -> None:
        """Serve delivery reports for up to ``timeout`` seconds.

        One thread at a time, since parcels count without a lock of their own; a caller
        that does not want to wait leaves it to the one that is at it.
        """
        if not self._lock.acquire(blocking=timeout > 0):
            return
        try:
            self._client.poll(timeout)
        finally:
            self._lock.release()

    def wait(self, parcels: Iterable[Parcel], timeout: float) -> bool:
        """Serve reports until all these parcels are settled; ``False`` on time-out."""
        deadline = time.monotonic() + timeout
        for parcel in parcels:
            while not parcel.settled:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.poll(min(left, 0.05))
        return True

    def resend(self, refused: Undelivered, topic: str, timeout: float) -> Undelivered | None:
        """Send one refused record alone; return the refusal it earns by itself, if any.

        The broker refuses a whole producer batch for one record in it, so most of the
        refused are innocent.

        Raises:
            DeliveryError: If the refusal is not about the record.
        """
        if refused.code not in _ROW_FAULTS:
            raise DeliveryError(
                f"{topic!r} at {self._bootstrap!r} did not take a record: {refused.reason} "
                f"({refused.code})"
            )
        parcel = self.send_one(topic, refused.outgoing)
        if not self.wait([parcel], timeout):
            raise BrokerUnavailableError(
                f"no delivery report from {self._bootstrap!r} for {topic!r} in {timeout:g} s"
            )
        if parcel.delivered:
            return None
        alone = parcel.undelivered()[0]
        if alone.code not in _ROW_FAULTS:
            raise DeliveryError(f"{topic!r} at {self._bootstrap!r}: {alone.reason} ({alone.code})")
        return alone

    def close(self, timeout: float = 10.0) -> int:
        """Flush, and return how many records have no report yet."""
        with self._lock:
            return int(self._client.flush(timeout))
