"""Reading changelogs back into stores: up to where a commit says state ends, or on and on.

One thread and one consumer, in no group, read for all shards at once. Only what was
committed is read, and nothing at or behind the offset where the committed state ends.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sabot.errors import (
    BrokerError,
    PartitionLostError,
    SabotError,
    TopicNotFoundError,
)
from sabot.kafka.client_errors import translate_error
from sabot.kafka.connect import client_errors, open_consumer
from sabot.kafka.log_bounds import LogBounds
from sabot.kafka.properties import connection_properties
from sabot.kafka.restore_start import restore_start
from sabot.logs import get_logger
from sabot.state.store import Store
from sabot.types import TopicPartition

__all__ = ["Restored", "Restorer"]

_BATCH = 5000
_POLL_SECONDS = 0.05
_GROUP = "sabot-restore"


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore went.

    Attributes:
        records: How many records were read.
        position: The store's position now.
    """

    records: int
    position: int


@dataclass(slots=True, eq=False)
class _Reading:
    """A store that is being filled."""

    place: TopicPartition
    store: Store
    target: int | None
    deletions_last: float | None = None
    done: Future[Restored] = field(default_factory=Future)
    records: int = 0
    caught_up: bool = False

    @property
    def left(self) -> int | None:
        """How many offsets are still to be read; ``None`` where there is no end."""
        return None if self.target is None else max(0, self.target - self.store.position)


class Restorer:
    """Restores shards, and follows the changelogs of others'.

    A store belongs to the restorer's thread from the call until the future is done.

    Args:
        properties: The source consumer's librdkafka properties.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._connection = connection_properties(properties)
        self._properties = {
            **self._connection,
            # The client wants a name; no group is joined and nothing is committed.
            "group.id": _GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 5,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 32768,
        }
        self._errors = client_errors(self._properties)
        self._log_bounds = LogBounds(properties)
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._readings: dict[TopicPartition, _Reading] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        # Guards the end of the thread: a call is put where it is served, or fails at once.
        self._guard = threading.Lock()
        self._end: BaseException | None = None
        self._consumer: Any = None
        self._log = get_logger("sabot.restore")
        self._thread = threading.Thread(target=self._run, name="sabot-restore", daemon=True)
        self._thread.start()

    # --- asked by others ------------------------------------------------------------

    def restore(
        self,
        store: Store,
        topic: str,
        partition: int,
        target: int,
        *,
        deletions_last: float | None = None,
    ) -> Future[Restored]:
        """Fill a store until it holds what the changelog says below ``target``.

        What the store holds already is kept, unless it does not go together with the
        changelog: then it is emptied and read anew. So it is, too, where it has missed
        changes older than ``deletions_last`` seconds: deletions may be gone from the log
        by then, and what they deleted would come back.

        A restore or follow of the same partition that is under way is withdrawn.

        The future fails with `StateMismatchError` if the changelog cannot say it, with
        `PartitionLostError` once the restore is withdrawn, and with a `BrokerError`.
        """
        place = TopicPartition(topic, partition)
        return self._begin(_Reading(place, store, target, deletions_last))

    def follow(
        self, store: Store, topic: str, partition: int, *, deletions_last: float | None = None
    ) -> Future[Restored]:
        """Keep a store up to date until it is withdrawn; for standbys.

        Its position is always behind a record and never behind what follows: so it is not
        ahead of the commit that the records came with.
        """
        place = TopicPartition(topic, partition)
        return self._begin(_Reading(place, store, None, deletions_last))

    def end_of(self, topic: str, partition: int) -> int:
        """Return a changelog's end, open transactions included; may be called by any thread.

        Raises:
            BrokerError: If the cluster does not say.
        """
        return self._log_bounds.of(TopicPartition(topic, partition))[1]

    def withdraw(self, topic: str, partition: int) -> None:
        """End a restore or a follow; its future is done soon, and the store free."""
        self._call(lambda: self._withdraw(TopicPartition(topic, partition)))

    def remaining(self) -> dict[TopicPartition, int]:
        """Return how many offsets each restore still has to read."""
        readings = list(self._readings.values())
        return {each.place: each.left for each in readings if each.left is not None}

    def close(self, timeout: float = 10.0) -> None:
        """End everything that is under way."""
        self._stopping.set()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _begin(self, reading: _Reading) -> Future[Restored]:
        self._call(lambda: self._add(reading))
        return reading.done

    def _call(self, call: Callable[[], None]) -> None:
        with self._guard:
            if self._end is None:
                self._calls.put(call)
                self._wake.set()
                return
        call()

    # --- the thread -----------------------------------------------------------------

    def _run(self) -> None:
        end: BaseException = PartitionLostError("the worker stops")
        try:
            while not self._stopping.is_set():
                self._serve()
                if self._readings:
                    self._read()
                else:
                    self._wake.wait()
                    self._wake.clear()
        except BaseException as error:  # noqa: BLE001 - each waiting future gets it
            end = error
        finally:
            with self._guard:
                self._end = end
            self._serve()
            self._fail_all(end)
            if self._consumer is not None:
                self._consumer.close()

    def _serve(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            call()

    def _fail_all(self, error: BaseException) -> None:
        for reading in list(self._readings.values()):
            self._readings.pop(reading.place, None)
            self._fail(reading, error)

    def _add(self, reading: _Reading) -> None:
        if self._end is not None or self._stopping.is_set():
            self._fail(reading, self._end or PartitionLostError("the worker stops"))
            return
        self._withdraw(reading.place)
        try:
            start = restore_start(
                reading.store,
                reading.place,
                reading.target,
                ends=self._log_bounds,
                deletions_last=reading.deletions_last,
            )
            if start is None:
                self._complete(reading)
                return
            self._readings[reading.place] = reading
            self._client.incremental_assign([self._client_partition(reading.place, start)])
        except Exception as error:  # noqa: BLE001 - goes to whoever waits for it
            self._readings.pop(reading.place, None)
            self._fail(reading, error)

    def _withdraw(self, place: TopicPartition) -> None:
        reading = self._readings.get(place)
        if reading is None:
            return
        self._drop(reading)
        if reading.target is None:
            self._finish(reading)
        else:
            self._fail(reading, PartitionLostError(f"the restore from {place} was withdrawn"))

    def _read(self) -> None:
        from confluent_kafka import KafkaError

        by_place: dict[TopicPartition, list[Any]] = {}
        ended: dict[TopicPartition, int] = {}
        first = self._client.poll(_POLL_SECONDS)
        if first is None:
            return
        # A wait in consume() would be for a full batch.
        for message in [first, *self._client.consume(_BATCH - 1, 0)]:
            error = message.error()
            place = TopicPartition(message.topic(), message.partition())
            if error is None:
                by_place.setdefault(place, []).append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended[place] = message.offset()
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                by_place.pop(place, None)
                self._again(place)
            else:
                self._complain(error, message.topic())
        for place, messages in by_place.items():
            self._apply(place, messages)
        for place, offset in ended.items():
            self._reached(place, offset)

    def _apply(self, place: TopicPartition, messages: Iterable[Any]) -> None:
        reading = self._readings.get(place)
        if reading is None:
            return
        changes: dict[bytes, bytes | None] = {}
        position, through = reading.store.position, False
        for message in messages:
            if reading.target is not None and message.offset() >= reading.target:
                position, through = reading.target, True
                break
            if message.key() is not None:
                changes[message.key()] = message.value()
            position = message.offset() + 1
            reading.records += 1
        try:
            reading.store.write(changes, position)
        except SabotError as error:
            self._drop(reading)
            self._fail(reading, error)
            return
        if through or (reading.target is not None and position >= reading.target):
            self._complete(reading)

    def _reached(self, place: TopicPartition, offset: int) -> None:
        """Take note of an end: markers and what compaction took away count as read."""
        reading = self._readings.get(place)
        if reading is None:
            return
        if reading.target is None:
            if not reading.caught_up:
                reading.caught_up = True
                self._log.info("standby is current", shard=str(place), records=reading.records)
        elif offset >= reading.target:
            self._complete(reading)

    def _complete(self, reading: _Reading) -> None:
        self._drop(reading)
        try:
            if reading.target is not None and reading.store.position != reading.target:
                reading.store.write({}, reading.target)
        except SabotError as error:
            self._fail(reading, error)
        else:
            self._finish(reading)

    def _again(self, place: TopicPartition) -> None:
        """Begin again after the log lost what was to be read next."""
        reading = self._readings.get(place)
        if reading is not None:
            self._drop(reading)
            reading.records = 0
            self._add(reading)

    def _drop(self, reading: _Reading) -> None:
        if self._readings.pop(reading.place, None) is not None:
            self._client.incremental_unassign([self._client_partition(reading.place)])

    def _complain(self, error: Any, topic: str | None) -> None:
        failure = translate_error(
            error,
            bootstrap=str(self._properties["bootstrap.servers"]),
            group_id=_GROUP,
            topic=topic,
        )
        if failure is None:
            return
        if not isinstance(failure, TopicNotFoundError):
            raise failure
        for reading in [each for each in self._readings.values() if each.place.topic == topic]:
            self._drop(reading)
            self._fail(reading, failure)

    @staticmethod
    def _finish(reading: _Reading) -> None:
        if reading.done.set_running_or_notify_cancel():
            reading.done.set_result(Restored(reading.records, reading.store.position))

    @staticmethod
    def _fail(reading: _Reading, error: BaseException) -> None:
        from confluent_kafka import KafkaException

        if isinstance(error, KafkaException):
            error = BrokerError(f"{reading.place} cannot be read: {error.args[0].str()}")
        if reading.done.set_running_or_notify_cancel():
            reading.done.set_exception(error)

    @property
    def _client(self) -> Any:
        if self._consumer is None:
            self._consumer = open_consumer(self._properties, self._errors)
        return self._consumer

    @staticmethod
    def _client_partition(place: TopicPartition, offset: int | None = None) -> Any:
        from confluent_kafka import TopicPartition as ClientPartition

        if offset is None:
            return ClientPartition(place.topic, place.partition)
        return ClientPartition(place.topic, place.partition, offset)
