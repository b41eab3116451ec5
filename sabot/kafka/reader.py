"""The consumer of a domain: a thread that always polls and never runs user code.

It joins the group, hands on what it reads as raw batches, and commits what it is told to.
Every call to the client is made by this one thread: the client lets a call from another
wait while one polls, for ever if need be. So a commit from outside is a request that the
thread serves between two polls, and nothing a rebalance may race with (the check that a
partition is still ours, the commit, the callbacks) can overlap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sabot.errors import PartitionLostError
from sabot.kafka.baseline import Positions, Reset, out_of_range, resolve_positions
from sabot.kafka.client_errors import translate_error
from sabot.kafka.commits import (
    CommitPoint,
    CommitRequests,
    Transaction,
    await_commit,
    commit_now,
)
from sabot.kafka.connect import check_cluster, client_errors, open_consumer
from sabot.kafka.pauses import Pauses
from sabot.kafka.reader_port import ReaderPort
from sabot.kafka.seeks import SeekRequests
from sabot.types import RawBatch, TopicPartition

if TYPE_CHECKING:
    import confluent_kafka

__all__ = ["KafkaReader", "ReaderSettings"]

_IDLE_SECONDS = 0.1
"""How long reading waits, at most, for one of the actors to finish what it has."""

_POLL_SECONDS = 0.05
"""How long an idle poll waits for a record, and so how late a commit may begin."""

_POSITION_SECONDS = 0.2
"""How often an idle reader looks whether a position moved without a record."""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """What to read, and how.

    Attributes:
        properties: librdkafka properties, complete.
        resets: Per topic, ``earliest`` or ``latest``: where a group without any commit
            begins.
        batch_size: Most records in one raw batch.
        connect_timeout: Seconds until an unreachable broker or a missing topic is an error.
        cooperative: Whether rebalances are incremental.
    """

    properties: Mapping[str, Any]
    resets: Mapping[str, Reset]
    batch_size: int
    connect_timeout: float
    cooperative: bool


class KafkaReader:
    """Reads the topics of one domain on a thread of its own.

    Attributes:
        member_id: What the group calls this member; ``None`` before its first assignment.
    """

    def __init__(self, settings: ReaderSettings, port: ReaderPort) -> None:
        self._settings = settings
        self._port = port
        self._requests = CommitRequests()
        self._seeks = SeekRequests()
        self._stopping = threading.Event()
        self._opened = threading.Event()
        self._errors = client_errors(settings.properties)
        self._consumer: confluent_kafka.Consumer | None = None
        self._thread: threading.Thread | None = None
        self._numbers: dict[str, list[int]] = {}
        self._epochs: dict[TopicPartition, int] = {}
        self._revoking: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._pending: set[TopicPartition] = set()
        self._pauses = Pauses(port, serve=self.serve_commits, hurry=self._stopping.is_set)
        self._epoch = 0
        self._rebalances = 0
        self.member_id: str | None = None
        self._barred: str | None = None
        self._looked = 0.0
        self._asked = 0.0
        self._is_moving = True
        self.turned_at = time.monotonic()
        """When it last began a turn of its loop."""

    # --- life -----------------------------------------------------------------------

    def start(self) -> None:
        """Join the group; errors are reported to the port."""
        group = self._settings.properties["group.id"]
        self._thread = threading.Thread(target=self._run, name=f"sabot-reader-{group}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to leave the group and end; returns at once."""
        self._stopping.set()

    def abandon_commits(self) -> None:
        """Let nobody wait any longer for a commit that the broker does not answer."""
        self._requests.abandon()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread has ended."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    @property
    def is_running(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_opened(self) -> bool:
        """Whether the cluster and all topics were found."""
        return self._opened.is_set()

    def _run(self) -> None:
        try:
            self._open()
            while not self._stopping.is_set():
                self._turn()
        except BaseException as error:
            self._port.failed(error)
        finally:
            self._close()
            self._requests.refuse()

    def _open(self) -> None:
        # The consumer asks before it subscribes: messages would be lost in between.
        consumer = open_consumer(self._settings.properties, self._errors)
        self._consumer = consumer
        self._numbers = check_cluster(
            consumer,
            list(self._settings.resets),
            timeout=self._settings.connect_timeout,
            errors=self._errors,
        )
        consumer.subscribe(
            list(self._settings.resets),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._opened.set()

    def _close(self) -> None:
        if self._consumer is None:
            return
        try:
            self._consumer.close()
        except Exception as error:
            self._port.failed(error)

    @property
    def paused(self) -> frozenset[TopicPartition]:
        """The partitions that are not read on at present, as of the last turn."""
        return self._pauses.partitions

    # --- reading --------------------------------------------------------------------

    def _turn(self) -> None:
        consumer = self._client
        self.turned_at = time.monotonic()
        self.serve_commits()
        self._seeks.serve(consumer, self._positions, self._pauses.partitions | self._pending)
        # Two threads that build Python objects at once only take the interpreter from each
        # other; the client goes on fetching by itself meanwhile.
        self._port.wait_for_idle(_IDLE_SECONDS)
        self._pauses.settle(consumer, self._epochs.keys(), self._pending)
        if self._pending:
            self._resolve_pending()
        before = self._rebalances
        first = consumer.poll(_POLL_SECONDS)
        if first is None:
            self._report_positions()
            return
        # A wait in consume() would be for a full batch; the first record never waits.
        more = self._settings.batch_size - 1
        messages = [first, *consumer.consume(more, 0)] if more else [first]
        records = [message for message in messages if message.error() is None]
        if len(records) < len(messages):
            for message in messages:
                if message.error() is not None:
                    self._event(message)
        if self._rebalances != before:
            records = self._still_ours(records)
        if records:
            self._hand_on(records)

    def _hand_on(self, records: Sequence[Any]) -> None:
        moved = self._moved()
        if len(self._settings.resets) == 1:
            self._port.arrived(self._raw(records, moved))
            return
        by_topic: dict[str, list[Any]] = {}
        for record in records:
            by_topic.setdefault(record.topic(), []).append(record)
        for topic, some in by_topic.items():
            mine = {tp: offset for tp, offset in moved.items() if tp.topic == topic}
            self._port.arrived(self._raw(some, mine))
        rest = {tp: offset for tp, offset in moved.items() if tp.topic not in by_topic}
        if rest:
            self._port.arrived(self._raw((), rest))

    def _raw(self, records: Sequence[Any], moved: Mapping[TopicPartition, int]) -> RawBatch:
        values = [record.value() for record in records]
        return RawBatch(
            records=records,
            values=values,
            next_offsets=moved,
            epochs={tp: self._epochs[tp] for tp in moved},
            size=_size(values),
        )

    def _moved(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that has one it did not have before.

        The client's position counts what a record's offset does not: transaction markers
        and holes that compaction left.
        """
        from confluent_kafka import TopicPartition as ClientPartition

        owned = list(self._epochs)
        asked = [ClientPartition(tp.topic, tp.partition) for tp in owned]
        moved: dict[TopicPartition, int] = {}
        for tp, answer in zip(owned, self._client.position(asked), strict=True):
            offset = int(answer.offset)
            if offset >= 0 and tp not in self._pending and offset != self._positions.get(tp):
                self._positions[tp] = offset
                moved[tp] = offset
        return moved

    def _report_positions(self) -> None:
        now = time.monotonic()
        if now - self._looked < _POSITION_SECONDS or not self._epochs:
            return
        self._looked = now
        moved = self._moved()
        if moved:
            self._port.arrived(self._raw((), moved))

    def _still_ours(self, records: Sequence[Any]) -> list[Any]:
        """Keep what is ours after a rebalance that happened in the same call.

        What was read of a partition that is gone is dropped: the new owner reads it. Of a
        partition that came back, only what follows its new start is kept, which shows as
        the place where its offsets stop going backwards.
        """
        kept: dict[TopicPartition, list[Any]] = {}
        for record in records:
            tp = TopicPartition(record.topic(), record.partition())
            if tp not in self._epochs:
                continue
            run = kept.setdefault(tp, [])
            if run and record.offset() <= run[-1].offset():
                run.clear()
            run.append(record)
        return [record for run in kept.values() for record in run]

    def _event(self, message: Any) -> None:
        from confluent_kafka import KafkaError

        error = message.error()
        code = error.code()
        if code in (KafkaError._PARTITION_EOF, KafkaError._MAX_POLL_EXCEEDED):
            return
        if code == KafkaError._AUTO_OFFSET_RESET:
            tp = TopicPartition(message.topic(), message.partition())
            raise out_of_range(
                self._client,
                tp,
                self._positions.get(tp, message.offset()),
                group_id=str(self._settings.properties["group.id"]),
                bootstrap=str(self._settings.properties["bootstrap.servers"]),
            )
        failure = translate_error(
            error,
            bootstrap=str(self._settings.properties["bootstrap.servers"]),
            group_id=str(self._settings.properties["group.id"]),
            topic=message.topic(),
        )
        if failure is not None:
            raise failure

    # --- rebalance ------------------------------------------------------------------

    def _on_assign(self, consumer: Any, partitions: Sequence[Any]) -> None:
        found = [TopicPartition(p.topic, p.partition) for p in partitions]
        self._rebalances += 1
        self.member_id = consumer.memberid()
        positions = self._resolve(found)
        starts: dict[TopicPartition, tuple[int, int, str]] = {}
        for partition, tp in zip(partitions, found, strict=True):
            self._epoch += 1
            self._epochs[tp] = self._epoch
            if tp in positions.ends:
                # Another member decides where it starts; nothing is read until then.
                self._pending.add(tp)
                partition.offset = positions.ends[tp]
                continue
            offset = positions.starts[tp]
            partition.offset = self._positions[tp] = offset
            starts[tp] = (offset, self._epoch, positions.metadata.get(tp, ""))
        if self._settings.cooperative:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
            self._pauses.forget(self._pauses.partitions)
        self._pauses.forget(found)
        self._is_moving = False
        self._port.assigned(starts)
        # Before the first record of what has to wait is fetched.
        self._pauses.add(consumer, self._port.blocked(found))

    def _resolve(self, partitions: Sequence[TopicPartition]) -> Positions:
        """Decide where partitions start, topic by topic."""
        starts: dict[TopicPartition, int] = {}
        metadata: dict[TopicPartition, str] = {}
        ends: dict[TopicPartition, int] = {}
        for topic, reset in self._settings.resets.items():
            mine = [tp for tp in partitions if tp.topic == topic]
            if mine:
                found = resolve_positions(
                    self._client,
                    mine,
                    reset,
                    timeout=self._settings.connect_timeout,
                    known=self._numbers,
                )
                starts.update(found.starts)
                metadata.update(found.metadata)
                ends.update(found.ends)
        return Positions(starts, metadata, ends)

    def _resolve_pending(self) -> None:
        """Look again for the baseline that another member is to commit."""
        now = time.monotonic()
        # A clock of its own: an idle reader looks at positions just before it comes here.
        if now - self._asked < _POSITION_SECONDS:
            return
        self._asked = now
        positions = self._resolve(sorted(self._pending))
        starts: dict[TopicPartition, tuple[int, int, str]] = {}
        for tp, offset in positions.starts.items():
            self._seek(tp, offset)
            self._positions[tp] = offset
            self._pending.discard(tp)
            starts[tp] = (offset, self._epochs[tp], positions.metadata.get(tp, ""))
        if starts:
            self._port.assigned(starts)

    def _on_revoke(self, consumer: Any, partitions: Sequence[Any]) -> None:
        gone = [TopicPartition(p.topic, p.partition) for p in partitions]
        self._rebalances += 1
        self._is_moving = True
        for tp in gone:
            epoch = self._epochs.get(tp)
            if epoch is not None:
                # First the one, then the other: others look without a lock.
                self._revoking[tp] = epoch
                del self._epochs[tp]
        try:
            self._port.revoking([tp for tp in gone if tp not in self._pending])
        finally:
            self._release(consumer, partitions, gone, lost=False)

    def _on_lost(self, consumer: Any, partitions: Sequence[Any]) -> None:
        gone = [TopicPartition(p.topic, p.partition) for p in partitions]
        self._rebalances += 1
        self._is_moving = True
        self._release(consumer, partitions, gone, lost=True)

    def _release(
        self, consumer: Any, partitions: Sequence[Any], gone: list[TopicPartition], *, lost: bool
    ) -> None:
        for tp in gone:
            self._revoking.pop(tp, None)
            self._epochs.pop(tp, None)
            self._positions.pop(tp, None)
            self._pending.discard(tp)
        self._pauses.forget(gone)
        self._port.released(gone, lost=lost)
        if self._settings.cooperative:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    # --- what others ask ------------------------------------------------------------

    def takes(self, tp: TopicPartition, epoch: int) -> bool:
        """Whether rows read under ``epoch`` may still be taken up."""
        return self._epochs.get(tp) == epoch

    def may_finish(self, tp: TopicPartition, epoch: int) -> bool:
        """Whether rows in hand may still be written: also while the partition is revoked."""
        return self._epochs.get(tp) == epoch or self._revoking.get(tp) == epoch

    def owned(self) -> dict[TopicPartition, int]:
        """Return the partitions that may be committed now, with their epochs."""
        return {**self._epochs, **self._revoking}

    def positions(self) -> dict[TopicPartition, int]:
        """Return the next offset of each partition that is read."""
        known, pending = dict(self._positions), frozenset(self._pending)
        return {tp: known[tp] for tp in dict(self._epochs) if tp in known and tp not in pending}

    def seek_anew(self, partitions: Collection[TopicPartition]) -> None:
        """Ask for partitions to be read anew from where they stand; returns at once."""
        self._seeks.ask(partitions)

    @property
    def is_settled(self) -> bool:
        """Whether it is in the group and no rebalance is under way.

        Under ``group.protocol=consumer`` a member that is given nothing hears nothing, so
        there it counts as settled from the start.
        """
        if self._rebalances == 0:
            protocol = str(self._settings.properties.get("group.protocol", "")).lower()
            return protocol == "consumer" and self.has_opened
        return not self._is_moving

    def commit(
        self,
        points: Mapping[TopicPartition, CommitPoint],
        timeout: float = 60.0,
        *,
        within: Transaction | None = None,
    ) -> dict[TopicPartition, int]:
        """Commit what is still ours, and return what was committed, once it is durable.

        May be called from any thread. Within a transaction it is durable when that one is
        committed, and it is all of the points or none.

        Raises:
            CommitError: If the broker refuses; nothing can be said of any partition then,
                and the next checkpoint commits anew.
            PartitionLostError: If a partition is no longer ours, within a transaction.
        """
        if self.is_own_thread():
            return self._commit(points, within)
        answer = self._requests.ask(points, within)
        if self._thread is None or not self._thread.is_alive():
            self._requests.refuse()
        return await_commit(answer, timeout)

    def bar(self, why: str) -> None:
        """Refuse all transactions from now on; called in its callbacks.

        What was made of partitions that have gone is held together with the rest, and no
        offset is left that would keep it out.
        """
        self._barred = why

    def is_own_thread(self) -> bool:
        """Whether the caller is the reader's thread, as in its callbacks."""
        return threading.current_thread() is self._thread

    def serve_commits(self) -> None:
        """Commit what other threads have asked for; called by the reader's thread only.

        A port that waits in a callback of the reader calls it meanwhile, since whoever it
        waits for may wait for a commit.
        """
        self._requests.serve(self._commit)

    def _commit(
        self, points: Mapping[TopicPartition, CommitPoint], within: Transaction | None
    ) -> dict[TopicPartition, int]:
        owned = self.owned()
        mine = {tp: point for tp, point in points.items() if owned.get(tp) == point.epoch}
        if within is None:
            return commit_now(self._client, mine) if mine else {}
        if self._barred is not None:
            raise PartitionLostError(self._barred)
        if not points:
            raise PartitionLostError("no partition is ours whose offset could be committed")
        if len(mine) < len(points):
            # The transaction holds what was made of its records; the new owner makes it again.
            gone = ", ".join(str(tp) for tp in sorted(points.keys() - mine.keys()))
            raise PartitionLostError(f"{gone} went to another member before the commit")
        within.send_offsets(self._client, mine)
        return {tp: point.offset for tp, point in mine.items()}

    @property
    def _client(self) -> confluent_kafka.Consumer:
        assert self._consumer is not None
        return self._consumer

    def _seek(self, tp: TopicPartition, offset: int) -> None:
        from confluent_kafka import TopicPartition as ClientPartition

        self._client.seek(ClientPartition(tp.topic, tp.partition, offset))


def _size(values: Sequence[bytes | None]) -> int:
    try:
        return sum(map(len, values))  # type: ignore[arg-type]
    except TypeError:  # a tombstone among them
        return sum(len(value) for value in values if value is not None)
