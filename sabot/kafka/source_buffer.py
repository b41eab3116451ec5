"""What lies between a source's reading thread and whoever iterates over it.

The reading thread puts batches in; a coroutine on any loop takes them out, and says which
records it is done with. Commits are counted from that, per partition and assignment, so
that what belongs to a partition given up is neither handed out nor committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sabot.errors import CommitError, ConfigurationError, InternalError, PartitionLostError
from sabot.kafka.commits import CommitPoint
from sabot.types import RawBatch, Record, TopicPartition

if TYPE_CHECKING:
    import logging

    from sabot.kafka.decode_failures import DecodeFailures
    from sabot.kafka.reader import KafkaReader
    from sabot.kafka.source_config import KafkaSourceConfig

__all__ = ["ReadBatch", "SourceBuffer"]

_HOLD_SECONDS = 2.0
"""How long a full buffer holds the reading thread before partitions are paused. A pause
throws away what the client has fetched ahead, so a slow loop body must not cause one at
every batch; a rebalance waits for no longer than this."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadBatch:
    """Decoded records in order, and what is true once the last of them is finished.

    Attributes:
        records: The records that could be decoded.
        next_offsets: Per partition the offset to read next; counts records passed over.
        epochs: Per partition the assignment the records belong to.
        revision: How many rebalances there had been when it was read.
        error: What ends the source after these records.
    """

    records: Sequence[Record]
    next_offsets: Mapping[TopicPartition, int]
    epochs: Mapping[TopicPartition, int]
    revision: int = 0
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """A commit somebody waits for."""

    points: Mapping[TopicPartition, CommitPoint]
    record: Record | None
    done: Future[None]


class SourceBuffer:
    """Takes what the reader reads (it is the reader's port) and hands it to one coroutine.

    Args:
        config: The source's settings.
        failures: Decodes, and settles what cannot be.
        logger: Where trouble with commits is told.
    """

    def __init__(
        self, config: KafkaSourceConfig, failures: DecodeFailures, logger: logging.Logger
    ) -> None:
        self._config = config
        self._failures = failures
        self._logger = logger
        self._commits_itself = config.enable_auto_commit
        self._interval = config.auto_commit_interval_ms / 1000
        self._next_commit = time.monotonic() + self._interval
        self._room = threading.Condition()
        self._batches: deque[ReadBatch] = deque()
        self._buffered = 0
        self._epochs: dict[TopicPartition, int] = {}
        self._finished: dict[TopicPartition, CommitPoint] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._requests: deque[_Request] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._process = os.getpid()
        self.reader: KafkaReader | None = None
        self.revision = 0
        """Counts rebalances: while it stands still, what was taken is still ours."""

    # --- the reader's port, called on the reading thread ------------------------------

    def arrived(self, batch: RawBatch) -> None:
        """Decode a batch and put it into the buffer."""
        decoded = self._failures.decode(batch.records, batch.values)
        error = decoded.pop() if decoded and isinstance(decoded[-1], BaseException) else None
        records = [_record(read, value, key) for read, value, key in decoded]
        with self._room:
            epochs = {tp: self._epochs[tp] for tp in batch.epochs if tp in self._epochs}
            moved = {} if error is not None else dict(batch.next_offsets)
            self._batches.append(ReadBatch(records, moved, epochs, self.revision, error))
            self._buffered += len(records)
        self._wake()

    def blocked(self, partitions: Collection[TopicPartition]) -> frozenset[TopicPartition]:
        """Commit what is to be committed, then hold or block reading while the buffer is full."""
        deadline = time.monotonic() + _HOLD_SECONDS
        while True:
            self._serve_commits()
            if self._commits_itself and time.monotonic() >= self._next_commit:
                self._next_commit = time.monotonic() + self._interval
                self._commit_finished()
            with self._room:
                until = min(deadline, self._next_commit) if self._commits_itself else deadline
                left = until - time.monotonic()
                self._room.wait_for(lambda: self._has_room() or self._requests, max(left, 0.0))
                if self._has_room():
                    return frozenset()
            if time.monotonic() >= deadline:
                return frozenset(partitions)

    def wait_for_idle(self, timeout: float) -> None:
        """Nothing to wait for: nobody computes on what is buffered."""

    def wait_for_room(self, timeout: float) -> None:
        """Wait until the buffer takes another batch."""
        with self._room:
            self._room.wait_for(self._has_room, timeout)

    def _has_room(self) -> bool:
        return self._closed or self._buffered < self._config.batch_size

    def assigned(self, positions: Mapping[TopicPartition, tuple[int, int, str]]) -> None:
        """Begin with partitions that are ours from now on."""
        with self._room:
            self.revision += 1
            for partition, (start, epoch, _) in positions.items():
                self._forget(partition)
                self._epochs[partition] = epoch
                self._committed[partition] = start

    def revoking(self, partitions: Collection[TopicPartition]) -> None:
        """Commit what is finished of partitions that go; the record in hand is not."""
        with self._room:
            self.revision += 1
            points = {tp: self._finished[tp] for tp in partitions if tp in self._finished}
            for partition in partitions:
                self._epochs.pop(partition, None)
        self._serve_commits()
        if self._commits_itself:
            self._commit(points)

    def released(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        """Forget partitions; those lost are read again by their new owner."""
        if lost:
            self._logger.warning("lost %s: it left the group", ", ".join(map(str, partitions)))
        with self._room:
            self.revision += 1
            for partition in partitions:
                self._forget(partition)

    def failed(self, error: BaseException) -> None:
        """End the source by this error, behind what was read before it."""
        with self._room:
            self._error = self._error or error
        self.abandon()
        self._wake()

    def _forget(self, partition: TopicPartition) -> None:
        for known in (self._epochs, self._finished, self._committed):
            known.pop(partition, None)

    # --- the iterating side -----------------------------------------------------------

    async def take(self) -> ReadBatch | None:
        """Wait for the next batch; ``None`` when the source was closed.

        Raises:
            Exception: What ended reading, once all that was read before is taken.
        """
        if os.getpid() != self._process:
            raise InternalError(
                "this process was forked after the source was opened, and its reading thread is "
                "in the parent; open a source in the child instead"
            )
        while True:
            with self._room:
                if self._batches:
                    batch = self._batches.popleft()
                    self._buffered -= len(batch.records)
                    self._room.notify_all()
                    if batch.error is not None:
                        self._error = self._error or batch.error
                    return batch
                if self._error is not None:
                    raise self._error
                if self._closed:
                    return None
                if self._waiter is not None and not self._waiter.done():
                    raise ConfigurationError(
                        "two tasks wait for the same stream; read it in one and pass records on"
                    )
                waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                await waiter
            finally:
                waiter.cancel()

    def owns(self, record: Record, batch: ReadBatch) -> bool:
        """Whether the record's partition is still ours, as it was when it was read."""
        partition = TopicPartition(record.topic, record.partition)
        epoch = batch.epochs.get(partition)
        return epoch is not None and self._epochs.get(partition) == epoch

    def finish(self, record: Record, batch: ReadBatch) -> None:
        """Note that the record was worked off: it may be committed."""
        with self._room:
            self._note(self._finished, record, batch)

    def finish_batch(self, batch: ReadBatch) -> None:
        """Note that nothing of the batch is left, what was passed over included."""
        with self._room:
            for partition, offset in batch.next_offsets.items():
                epoch = batch.epochs.get(partition)
                if epoch is not None and self._epochs.get(partition) == epoch:
                    self._finished[partition] = CommitPoint(offset, epoch)

    def _note(
        self, points: dict[TopicPartition, CommitPoint], record: Record, batch: ReadBatch
    ) -> None:
        partition = TopicPartition(record.topic, record.partition)
        epoch = batch.epochs.get(partition)
        if epoch is not None and self._epochs.get(partition) == epoch:
            points[partition] = CommitPoint(record.offset + 1, epoch)

    def close(self) -> None:
        """Let the reading thread go on, and whoever waits for a batch end."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        self._wake()

    def _wake(self) -> None:
        with self._room:
            waiter, self._waiter = self._waiter, None
        if waiter is not None:
            # The loop that waited may be closed by now.
            with contextlib.suppress(RuntimeError):
                waiter.get_loop().call_soon_threadsafe(_release, waiter)

    # --- commits ------------------------------------------------------------------------

    def request_commit(
        self, record: Record | None, hand: tuple[Record, ReadBatch] | None
    ) -> Future[None]:
        """Have the reading thread commit up to and with ``record``, or all handed out.

        The client takes calls of one thread only: any other waits for as long as that
        thread goes on polling.

        Args:
            record: What was asked for.
            hand: The record that was handed out last and is not finished, and its batch.

        Returns:
            A future that fails with `PartitionLostError` or `CommitError`.
        """
        done: Future[None] = Future()
        with self._room:
            if record is None:
                points = dict(self._finished)
                if hand is not None:
                    self._note(points, *hand)
            else:
                partition = TopicPartition(record.topic, record.partition)
                epoch = self._epochs.get(partition)
                if epoch is None:
                    raise _lost(record)
                points = {partition: CommitPoint(record.offset + 1, epoch)}
            self._requests.append(_Request(points, record, done))
            over = self._error is not None or self._closed
            self._room.notify_all()
        if over:
            self.abandon()
        return done

    def abandon(self) -> None:
        """Fail the commits that nobody will carry out any more."""
        while request := self._next_request():
            request.done.set_exception(
                CommitError("the source ended before it could commit; records are read again")
            )

    def _next_request(self) -> _Request | None:
        with self._room:
            while self._requests:
                request = self._requests.popleft()
                if request.done.set_running_or_notify_cancel():
                    return request
            return None

    def _serve_commits(self) -> None:
        while request := self._next_request():
            try:
                done = self._commit_points(request.points)
            except CommitError as error:
                request.done.set_exception(error)
                continue
            if request.record is not None and not request.points.keys() <= done:
                request.done.set_exception(_lost(request.record))
            else:
                request.done.set_result(None)

    def _commit_finished(self) -> None:
        with self._room:
            points = dict(self._finished)
        self._commit(points)

    def _commit(self, points: Mapping[TopicPartition, CommitPoint]) -> None:
        try:
            self._commit_points(points)
        except CommitError as error:
            # Nothing is lost by it: the next commit covers the same, or a restart repeats.
            self._logger.warning("%s; tried again in %g s", error, self._interval)

    def _commit_points(self, points: Mapping[TopicPartition, CommitPoint]) -> set[TopicPartition]:
        """Commit what is ahead of the last commit; return what is committed now."""
        with self._room:
            known = dict(self._committed)
        ahead = {tp: point for tp, point in points.items() if point.offset > known.get(tp, -1)}
        done = {tp for tp in points if tp not in ahead}
        if ahead and self.reader is not None:
            committed = self.reader.commit(ahead)
            with self._room:
                for partition, offset in committed.items():
                    self._committed[partition] = max(offset, self._committed.get(partition, -1))
            done |= committed.keys()
        return done


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _lost(record: Record) -> PartitionLostError:
    return PartitionLostError(
        f"{record.topic}[{record.partition}]@{record.offset} cannot be committed: the partition "
        "belongs to another member of the group by now, which reads the record again"
    )


def _record(read: Any, value: Any, key: Any) -> Record:
    kind, milliseconds = read.timestamp()
    return Record(
        value,
        key,
        read.headers() or (),
        read.topic(),
        read.partition(),
        read.offset(),
        milliseconds if kind else None,
    )
