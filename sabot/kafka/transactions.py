"""A producer whose records become visible together with the offsets they were made of.

What is sent is held until the checkpoint has a cut that it belongs to. So no user code
ever runs while a transaction is open, and a transaction that fails costs nothing but its
repetition: what it was to contain is still here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isqrt
from typing import Any, Final, NoReturn

from sabot.errors import (
    BrokerError,
    BrokerUnavailableError,
    CommitError,
    DeliveryError,
    ProducerFencedError,
)
from sabot.kafka.commits import CommitPoint
from sabot.kafka.held_parcel import HeldParcel
from sabot.kafka.producer import ROW_FAULTS, KafkaProducer, Outgoing, Parcel, Undelivered
from sabot.types import Headers, TopicPartition

__all__ = ["TransactionalProducer", "transaction_timeout"]

_STEP_SECONDS: Final = 15.0
"""How long the broker may take to answer one request about a transaction."""

_FENCED = frozenset({"_FENCED", "_FATAL", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"})

_GAP = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT", "OUT_OF_ORDER_SEQUENCE_NUMBER"})

_AFTERMATH: Final = ("", "")
"""Says that a record has to be tried once more."""

Changes = Mapping[bytes, bytes | None]


@dataclass(slots=True)
class _Changes:
    """Changelog records on their way."""

    handed: int = 0
    good: int = 0
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    refusal: tuple[str, str] | None = None

    def reported(self, error: Any, message: Any) -> None:
        if error is not None:
            self.refusal = self.refusal or (error.name(), error.str())
            return
        self.good += 1
        place = message.topic(), message.partition()
        self.ends[place] = max(self.ends.get(place, 0), message.offset() + 1)


class TransactionalProducer(KafkaProducer):
    """Holds what is sent, and writes it in transactions, one at a time.

    Order of calls: `open` once, before the consumer of the same domain asks for committed
    offsets, so that a transaction of the id's former owner is decided by then. Then, for
    each cut, `transaction` around `write_changes`, `write` and `send_offsets`. After an
    error other than a `CommitError` the producer must not be used any more: make a new one
    with the same id.

    Args:
        properties: librdkafka properties, ``bootstrap.servers`` included.
        transactional_id: Who it is; a newer producer of the same id fences this one.
        timeout_seconds: When the broker aborts a transaction by itself.

    Attributes:
        held_bytes: How much waits for a transaction.
    """

    def __init__(
        self, properties: Mapping[str, Any], *, transactional_id: str, timeout_seconds: float
    ) -> None:
        milliseconds = int(timeout_seconds * 1000)
        delivery = int(properties.get("delivery.timeout.ms", milliseconds))
        super().__init__(
            {
                **properties,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": milliseconds,
                # The client refuses to try for longer than the transaction may last.
                "delivery.timeout.ms": min(delivery, milliseconds),
            }
        )
        self.transactional_id = transactional_id
        self.held_bytes = 0
        self._held_lock = threading.Lock()
        self._open_lock = threading.Lock()
        self._unusable: str | None = None
        self._fenced = False
        self._skipped = False
        self._suspects: list[tuple[HeldParcel, int]] = []

    def open(self, timeout: float) -> None:
        """Take the id over: whatever its former owner left open is aborted.

        Raises:
            BrokerUnavailableError: If that takes longer than ``timeout`` seconds.
            BrokerError: If this user may not, or the cluster cannot.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.1, deadline - time.monotonic())
            try:
                self.client.init_transactions(min(left, _STEP_SECONDS))
            except self._kafka_error as error:
                cause = error.args[0]
                if cause.retriable() and time.monotonic() < deadline:
                    continue
                raise self._not_opened(cause, timeout) from error
            return

    def _not_opened(self, cause: Any, timeout: float) -> BrokerError:
        if cause.retriable():
            return BrokerUnavailableError(
                f"transactional id {self.transactional_id!r} was not granted by "
                f"{self._bootstrap!r} within {timeout:g} s: {cause.str()}"
            )
        if cause.name() in (
            "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
            "CLUSTER_AUTHORIZATION_FAILED",
        ):
            return BrokerError(
                f"transactional id {self.transactional_id!r} at {self._bootstrap!r} may not be "
                f"used by this user; grant WRITE and DESCRIBE on it ({cause.str()})"
            )
        return BrokerError(
            f"no transactions at {self._bootstrap!r}: {cause.str()} ({cause.name()})"
        )

    # --- what writers call ----------------------------------------------------------

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
    ) -> HeldParcel:
        """Hold records until the checkpoint writes them; never waits."""
        return self._hold(
            HeldParcel(
                topic,
                accepted=len(values),
                values=values,
                keys=keys,
                timestamps=timestamps,
                rows=rows,
                headers=headers,
                context=context,
                producer=self,
            )
        )

    def send_one(self, topic: str, outgoing: Outgoing, *, context: Any = None) -> HeldParcel:
        """Hold one record, with its headers."""
        headers = None if outgoing.headers is None else [list(outgoing.headers)]
        return self.send(
            topic,
            (outgoing.value,),
            (outgoing.key,),
            (outgoing.timestamp,),
            rows=(outgoing.row,),
            headers=headers,
            context=context,
        )

    def _hold(self, parcel: HeldParcel) -> HeldParcel:
        with self._held_lock:
            self.held_bytes += parcel.size
        return parcel

    def wait(self, parcels: Iterable[Parcel], timeout: float) -> bool:  # noqa: ARG002 - the seam's
        """Return at once: what is held is waited for by the checkpoint."""
        return True

    def poll(self, timeout: float = 0.0) -> None:
        """Serve delivery reports; a client that has given up is noted, for who uses it next."""
        try:
            super().poll(timeout)
        except self._kafka_error as error:
            self._unusable = self._unusable or str(error)
            self._fenced = self._fenced or _is_fenced(error.args[0])

    def resend(self, refused: Undelivered, topic: str, timeout: float) -> Undelivered | None:
        """Say whether a record is refused alone; one that is not takes the refused one's place.

        A record that was not changed since it was refused is refused: that is known.

        Raises:
            BrokerUnavailableError: If no report comes in time.
        """
        parcel, number = refused.parcel, refused.number
        assert isinstance(parcel, HeldParcel)
        if refused.outgoing == parcel.outgoing(number):
            return refused
        deadline = time.monotonic() + timeout
        alone: tuple[str, str] | None = _AFTERMATH
        while alone is _AFTERMATH:
            with self._probing(timeout):
                alone = self._try([(topic, refused.outgoing)], deadline)
        if alone is None:
            parcel.amended[number] = refused.outgoing
            return None
        return replace(refused, code=alone[0], reason=alone[1])

    def close(self, timeout: float = 10.0) -> int:
        """Drop what is held, which is made again of records that are not committed."""
        del timeout
        self._unusable = self._unusable or "it is closed"
        return 0

    # --- what the checkpoint calls --------------------------------------------------

    @contextlib.contextmanager
    def transaction(self, timeout: float) -> Iterator[None]:
        """Open a transaction that ends with the block: committed, or aborted for an error.

        Raises:
            CommitError: If it was aborted; another one may be begun.
            ProducerFencedError: If another producer has taken over the id.
            BrokerUnavailableError: If nobody knows whether it was committed.
        """
        deadline = time.monotonic() + timeout
        with self._open_lock:
            self._begin()
            try:
                yield
                self._commit(deadline)
            except BaseException:
                self._abort()
                raise

    def write_changes(
        self, changes: Iterable[tuple[str, int, Changes]], timeout: float
    ) -> dict[tuple[str, int], int]:
        """Write changelog records; return the next offset of each partition, once they are there.

        Args:
            changes: Topic, partition, and key to value.
            timeout: Seconds to wait for them.

        Raises:
            CommitError, BrokerUnavailableError: If they are not written; end the
                transaction's block by it.
            DeliveryError: If a record is refused: state without it would be wrong.
        """
        sent = _Changes()
        for topic, partition, changed in changes:
            for key, value in changed.items():
                self._produce_change(sent, topic, partition, key, value)
        deadline = time.monotonic() + timeout
        while sent.good < sent.handed:
            if sent.refusal is not None:
                self._undeliverable("changelog records", *sent.refusal)
            if time.monotonic() > deadline:
                raise CommitError(f"no reports of changelog records from {self._bootstrap!r}")
            self.poll(0.02)
            self._check_usable()
        return sent.ends

    def _produce_change(
        self, sent: _Changes, topic: str, partition: int, key: bytes, value: bytes | None
    ) -> None:
        while True:
            try:
                self.client.produce(
                    topic, value, key, partition=partition, on_delivery=sent.reported
                )
            except self._queue_full:
                self.poll(0.05)
            except self._kafka_error as error:
                cause = error.args[0]
                self._undeliverable(f"changelog {topic!r}", cause.name(), cause.str())
            else:
                sent.handed += 1
                return

    def write(self, parcels: Sequence[HeldParcel], timeout: float) -> bool:
        """Write what is held; ``False`` where records are refused that have to be judged.

        Those are not known yet, since the broker refuses whole batches: end the
        transaction, then `find_refused`. It may find none; then the cut is made again.

        Raises:
            CommitError: If what was written has not arrived; end the block by it.
        """
        deadline = time.monotonic() + timeout
        attempts: list[tuple[HeldParcel, Parcel]] = []
        try:
            attempts.extend((parcel, self._write_parcel(parcel)) for parcel in parcels)
        except DeliveryError as error:
            # A refusal of what was written before stops the client from taking more.
            self._await([attempt for _, attempt in attempts], time.monotonic() + 1.0)
            if not any(attempt.refused for _, attempt in attempts):
                self._check_usable()
                raise CommitError(str(error)) from error
        else:
            self._await([attempt for _, attempt in attempts], deadline)
        self._suspects = [
            (parcel, number) for parcel, attempt in attempts for number in parcel.suspects(attempt)
        ]
        if self._suspects:
            self._skipped = True
            return False
        if self._is_aftermath([attempt for _, attempt in attempts]):
            return False
        for _, attempt in attempts:
            if attempt.refused:
                self._undeliverable(attempt.topic, *attempt.refused[0][:2])
            if not attempt.settled:
                raise CommitError(f"records for {attempt.topic!r} have not arrived in time")
        return True

    def find_refused(self, timeout: float) -> None:
        """After a `write` that was refused: mark the records that are refused alone.

        They are tried in transactions that are aborted. A refusal costs half a second,
        since the client has to ask for a new epoch; a record that is taken costs a few
        milliseconds. What is not found within the time is found by the next cut.
        """
        suspects, self._suspects = self._suspects, []
        deadline = time.monotonic() + timeout
        spans = deque([(0, len(suspects), isqrt(len(suspects)) + 1)])
        while spans and time.monotonic() < deadline:
            first, last, step = spans.popleft()
            at, refusal = self._first_refused(suspects, first, last, step, deadline)
            if refusal is None:
                continue
            end = min(at + step, last)
            if end < last:
                spans.appendleft((end, last, step))
            if end - at > 1:
                spans.appendleft((at, end, 1))
            else:
                parcel, number = suspects[at]
                parcel.refuse(number, *refusal)

    def _first_refused(
        self,
        suspects: Sequence[tuple[HeldParcel, int]],
        first: int,
        last: int,
        step: int,
        deadline: float,
    ) -> tuple[int, tuple[str, str] | None]:
        """Try suspects group by group; return where the first refused group begins, and why."""
        at = first
        while at < last:
            with self._probing(max(1.0, deadline - time.monotonic())):
                while at < last:
                    group = suspects[at : min(at + step, last)]
                    records = [(parcel.topic, parcel.outgoing(number)) for parcel, number in group]
                    refusal = self._try(records, deadline)
                    if refusal is _AFTERMATH:
                        break
                    if refusal is not None:
                        return at, refusal
                    at += len(group)
        return at, None

    def send_offsets(self, consumer: Any, points: Mapping[TopicPartition, CommitPoint]) -> None:
        """Make offsets part of the open transaction; on the consumer's thread.

        Raises:
            CommitError, ProducerFencedError: If they are not; end the transaction's block by
                it.
        """
        from confluent_kafka import TopicPartition as ClientPartition

        offsets = [
            ClientPartition(tp.topic, tp.partition, point.offset, metadata=point.metadata)
            for tp, point in points.items()
        ]
        deadline = time.monotonic() + _STEP_SECONDS
        while True:
            try:
                # As the group is at this moment: a member that has lost its place is refused.
                group = consumer.consumer_group_metadata()
                # One that the group has put out has no member id until it has been told so
                # and polls, which is this thread's to do; and the broker takes offsets from
                # nobody in particular without a question.
                if not consumer.memberid():
                    raise CommitError(
                        "cannot send offsets to a transaction, which is made again: the group "
                        "has put this member out"
                    )
                self.client.send_offsets_to_transaction(offsets, group, _STEP_SECONDS)
            except self._kafka_error as error:
                cause = error.args[0]
                if cause.retriable() and time.monotonic() < deadline:
                    continue
                raise self._failure("send offsets to", cause) from error
            return

    def settle(self, parcels: Sequence[HeldParcel]) -> None:
        """After the commit: what was held has arrived."""
        for parcel in parcels:
            parcel.arrived()
        with self._held_lock:
            self.held_bytes -= sum(parcel.size for parcel in parcels)

    # --- transactions ---------------------------------------------------------------

    def _check_usable(self) -> None:
        if self._fenced:
            raise ProducerFencedError(
                f"another worker has the transactional id {self.transactional_id!r} "
                f"({self._unusable})"
            )
        if self._unusable is not None:
            raise BrokerUnavailableError(
                f"the producer {self.transactional_id!r} cannot be used any more: {self._unusable}"
            )

    def _begin(self) -> None:
        self._check_usable()
        try:
            self.client.begin_transaction()
        except self._kafka_error as error:
            raise self._failure("begin", error.args[0]) from error

    def _commit(self, deadline: float) -> None:
        # Not less than one request may take, whatever time the cut has used up: given up in
        # the middle, nobody knows what became of it.
        deadline = max(deadline, time.monotonic() + _STEP_SECONDS)
        while True:
            try:
                self.client.commit_transaction(max(0.1, deadline - time.monotonic()))
            except self._kafka_error as error:
                cause = error.args[0]
                if cause.retriable() and time.monotonic() < deadline:
                    continue
                if cause.txn_requires_abort() or _is_fenced(cause):
                    raise self._failure("commit", cause) from error
                self._unusable = f"whether it has committed is not known: {cause.str()}"
                raise BrokerUnavailableError(
                    f"{self._bootstrap!r} does not say whether a transaction is committed: "
                    f"{cause.str()}"
                ) from error
            return

    def _abort(self) -> None:
        """Abort; where that does not succeed the producer is unusable, and that is all."""
        if self._unusable is not None:
            return
        deadline = time.monotonic() + _STEP_SECONDS
        while True:
            try:
                self.client.abort_transaction(max(0.1, deadline - time.monotonic()))
            except self._kafka_error as error:
                cause = error.args[0]
                if cause.retriable() and time.monotonic() < deadline:
                    continue
                self._unusable = f"a transaction could not be aborted: {cause.str()}"
            return

    @contextlib.contextmanager
    def _probing(self, timeout: float) -> Iterator[None]:
        """Open a transaction that is aborted whatever happens."""
        if not self._open_lock.acquire(timeout=timeout):
            raise BrokerUnavailableError(f"a transaction is open for {timeout:g} s")
        try:
            self._begin()
            try:
                yield
            finally:
                self._abort()
        finally:
            self._open_lock.release()

    def _try(
        self, records: Sequence[tuple[str, Outgoing]], deadline: float
    ) -> tuple[str, str] | None:
        """Write records into the open transaction; return why one of them is refused."""
        attempts = [super(TransactionalProducer, self).send_one(*record) for record in records]
        self._await(attempts, deadline)
        refusals = [report[:2] for attempt in attempts for report in attempt.refused]
        for code, reason in refusals:
            if code in ROW_FAULTS:
                self._skipped = True
                return code, reason
        if self._is_aftermath(attempts):
            return _AFTERMATH
        for code, reason in refusals:
            self._undeliverable(attempts[0].topic, code, reason)
        if not all(attempt.settled for attempt in attempts):
            raise CommitError(f"no report from {self._bootstrap!r} of a record that is tried alone")
        return None

    def _write_parcel(self, parcel: HeldParcel) -> Parcel:
        if not parcel.gone and not parcel.amended:
            return super().send(
                parcel.topic,
                parcel.values,
                parcel.keys,
                parcel.timestamps,
                headers=parcel.headers,
            )
        records = [parcel.outgoing(number) for number in parcel.remaining()]
        return super().send(
            parcel.topic,
            [each.value for each in records],
            [each.key for each in records],
            [each.timestamp for each in records],
            headers=[list(each.headers or ()) for each in records],
        )

    def _await(self, attempts: Sequence[Parcel], deadline: float) -> None:
        """Wait until all have arrived or the first refusal has come."""
        for attempt in attempts:
            while not attempt.settled and time.monotonic() < deadline:
                if any(each.refused for each in attempts):
                    # The others are reported with it, or not before the abort.
                    self.poll(0.05)
                    return
                self.poll(0.02)
                self._check_usable()

    def _is_aftermath(self, attempts: Sequence[Parcel]) -> bool:
        """Whether records were refused only because others had been before them.

        A refused batch leaves a gap in the sequence of its partition, which the broker
        objects to in the next transaction; to abort that one mends it.
        """
        codes = {report[0] for attempt in attempts for report in attempt.refused}
        if not self._skipped or not codes or not codes <= _GAP:
            return False
        self._skipped = False
        return True

    def _undeliverable(self, what: str, code: str, reason: str) -> NoReturn:
        if code in _FENCED:
            self._unusable, self._fenced = reason, True
            self._check_usable()
        if code in ROW_FAULTS:
            raise DeliveryError(f"{what}: {self._bootstrap!r} refuses a record: {reason} ({code})")
        raise CommitError(f"{what}: records have not arrived: {reason} ({code})")

    def _failure(self, what: str, cause: Any) -> BrokerError:
        if _is_fenced(cause):
            self._unusable, self._fenced = cause.str(), True
            return ProducerFencedError(
                f"cannot {what} a transaction: another worker has the transactional id "
                f"{self.transactional_id!r} ({cause.str()})"
            )
        if not (cause.txn_requires_abort() or cause.retriable()):
            self._unusable = cause.str()
            return BrokerUnavailableError(f"cannot {what} a transaction: {cause.str()}")
        return CommitError(f"cannot {what} a transaction, which is made again: {cause.str()}")


def transaction_timeout(interval_seconds: float) -> float:
    """Return when the broker is to abort a transaction that nobody ends.

    Others wait for its end: readers of the outputs, and the next owner of the partitions
    if this one dies and does not come back under its transactional id.

    Brokers allow 15 minutes unless they are told otherwise.

    Example:
        >>> transaction_timeout(0.2), transaction_timeout(5.0), transaction_timeout(600.0)
        (10.0, 15.0, 900.0)
    """
    return min(max(10.0, 3 * interval_seconds), 900.0)


def _is_fenced(cause: Any) -> bool:
    return bool(cause.fatal()) or cause.name() in _FENCED
