"""The checkpoint: the only place where offsets are committed.

At least once: ask every actor how far it has come, wait until everything it had produced
by then has arrived, check that the partitions are still ours, then commit, in one
request. Actors work on meanwhile; what they produce belongs to the next cut.

With a transaction (for exactly-once, and wherever there is state) the commit is part of
it, along with what changed in state and with the outputs that were held for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol

from sabot.errors import (
    ActorStoppedError,
    BrokerUnavailableError,
    CommitError,
)
from sabot.kafka.commits import CommitPoint
from sabot.kafka.held_parcel import HeldParcel
from sabot.kafka.producer import KafkaProducer, Parcel
from sabot.logs import get_logger
from sabot.runtime.crash import crash_point
from sabot.runtime.messages import Committed, Cut, CutReport, Resend
from sabot.runtime.metadata import metadata_of
from sabot.runtime.progress import Start
from sabot.runtime.transactional import Reached, TransactionalCommit
from sabot.types import TopicPartition

__all__ = ["Checkpoint", "Participant"]

_UNEVEN_SECONDS = 0.05
"""How long to wait for branches that have yet to hear of a partition."""


class Participant(Protocol):
    """An actor as a checkpoint sees it."""

    name: str

    def reads(self, topic: str) -> bool:
        """Whether records of a topic pass through it."""
        ...

    def ask(self, question: Cut | Resend) -> Future[CutReport]:
        """Ask for a report; the answer comes after the batch in hand."""
        ...

    def branches(self, topic: str) -> Sequence[str]:
        """The names of the branches that read a topic."""
        ...

    def tell(self, note: Committed) -> None:
        """Say that a cut is durable."""
        ...


class Checkpoint:
    """Makes cuts for one domain, one at a time.

    Args:
        participants: All actors of the domain.
        producers: Called for the producers in use.
        owned: Called for the partitions that may be committed, with their epochs.
        commit: Commits points; called with what is still owned only.
        serve: Called while a cut waits for another one.
        transaction: Makes commits within transactions; without it they are plain.

    Attributes:
        committed: The last offset committed of each partition.
        count: How often something was committed.
        unsettled: Partitions of which the last cut does not cover all that was made.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        producers: Callable[[], Sequence[KafkaProducer]],
        owned: Callable[[], Mapping[TopicPartition, int]],
        commit: Callable[[Mapping[TopicPartition, CommitPoint]], Mapping[TopicPartition, int]],
        serve: Callable[[], None],
        transaction: TransactionalCommit | None = None,
    ) -> None:
        self._participants = participants
        self._producers = producers
        self._owned = owned
        self._commit = commit
        self._serve = serve
        self._transaction = transaction
        self._late: list[Future[CutReport]] = []
        self._uneven = threading.Event()
        self.unsettled: frozenset[TopicPartition] = frozenset()
        self._lock = threading.Lock()
        self._number = 0
        self._last: dict[TopicPartition, CommitPoint] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.count = 0
        self._log = get_logger("sabot.checkpoint")

    def cut(self, timeout: float, *, commit: bool = True) -> bool:
        """Make a cut; return whether every actor and every record was part of it.

        Args:
            timeout: Seconds for all of it, the commit included.
            commit: Whether to commit; without it the cut only waits for delivery.

        Raises:
            DeliveryError: If the cluster does not take what was produced; the domain has
                to go back to its last commit.
            CommitError: If the broker refuses the commit; the next cut tries again.
            ProcessingError: If a record was refused and its policy says to fail.
        """
        deadline = time.monotonic() + timeout
        while not self._lock.acquire(timeout=0.02):
            if time.monotonic() > deadline:
                return False
            # The cut that is under way may be waiting for a commit that only the caller's
            # thread can make.
            self._serve()
        try:
            return self._cut(deadline, commit=commit)
        finally:
            self._lock.release()

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Forget what was committed for partitions that are no longer ours."""
        for tp in partitions:
            self._last.pop(tp, None)
        if self._transaction is not None:
            self._transaction.forget(partitions, self._owned())

    def begin(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Take note of where partitions start, so that standing still commits nothing."""
        for tp, start in starts.items():
            # Numbers go up whoever makes the cuts, so that the higher one is the later.
            self._number = max(self._number, start.cut)
            if not start.ahead:
                self._last[tp] = CommitPoint(start.offset, start.epoch)
        if self._transaction is not None:
            self._transaction.begin(starts)

    def _cut(self, deadline: float, *, commit: bool) -> bool:
        while True:
            reports, silent = self._survey(deadline)
            if not commit:
                return not silent
            if self._transaction is None:
                self._commit_plainly(self._reached(reports, silent))
                if not silent:
                    self._fold(reports)
                return not silent
            if silent:
                # The outputs of the others are held, and what changed in state is kept.
                return False
            if self._commit_within(self._transaction, reports, deadline):
                return True
            if time.monotonic() > deadline:
                return False

    def _survey(self, deadline: float) -> tuple[dict[str, CutReport], list[Participant]]:
        """Ask for a new cut, and wait until what is not held for a transaction has arrived."""
        self._number += 1
        crash_point("cut_begun")
        reports, silent = self._ask_all(Cut(self._number), deadline)
        crash_point("actors_reported")
        self.unsettled = frozenset(tp for one in reports.values() for tp in one.unsettled)
        self._await_delivery(reports, deadline)
        crash_point("outputs_delivered")
        return reports, silent

    def _commit_plainly(self, reached: Mapping[TopicPartition, Reached]) -> None:
        points = {
            tp: CommitPoint(one.offset, one.epoch, metadata_of(self._number, one.ahead))
            for tp, one in reached.items()
            if not self._same(tp, one)
        }
        if points:
            self._committed(points, self._commit(points))
            crash_point("committed")

    def _fold(self, reports: Mapping[str, CutReport]) -> None:
        """Say that state without a changelog is committed; its end is only a count of cuts."""
        ends = {
            (delta.topic, delta.partition): self._number
            for report in reports.values()
            for delta in report.deltas
        }
        if ends:
            for one in self._participants:
                one.tell(Committed(self._number, ends))

    def _commit_within(
        self,
        transaction: TransactionalCommit,
        reports: Mapping[str, CutReport],
        deadline: float,
    ) -> bool:
        """Commit in a transaction; ``False`` where the cut has to be made again for it."""
        reached = self._reached(reports, ())
        if self._is_uneven(reports, reached):
            self._uneven.wait(_UNEVEN_SECONDS)
            return False
        held = [
            parcel
            for report in reports.values()
            for parcel in report.parcels
            if isinstance(parcel, HeldParcel)
        ]
        moved = {tp for tp, one in reached.items() if not self._same(tp, one)}
        refused = any(parcel.refused for parcel in held)
        made = None if refused else transaction.make(self._number, reached, moved, held, deadline)
        if made is None:
            self._judge_refused(deadline)
            return False
        if made.points or made.ends or held:
            self._committed(made.points, {tp: p.offset for tp, p in made.points.items()})
            crash_point("committed")
            for one in self._participants:
                one.tell(Committed(self._number, made.ends))
        return True

    def _is_uneven(
        self, reports: Mapping[str, CutReport], reached: Mapping[TopicPartition, Reached]
    ) -> bool:
        """Whether some branch has been at a partition that is not reached by all of them.

        It has perhaps made something of it, which must not be committed without its offset:
        another branch has yet to hear of the partition, or this one that it has gone.
        Rows that never were records have no assignment, and so the epoch 0.
        """
        return any(
            epoch and (tp not in reached or reached[tp].epoch != epoch)
            for report in reports.values()
            for positions in report.positions.values()
            for tp, (epoch, _) in positions.items()
        )

    def _judge_refused(self, deadline: float) -> None:
        """Let the actors judge the records that are refused for themselves."""
        _, silent = self._ask_all(Resend(), deadline)
        if silent:
            raise CommitError(
                f"no answer from {silent[0].name!r} about records that were refused; nothing "
                f"is committed past them"
            )

    def _committed(
        self, points: Mapping[TopicPartition, CommitPoint], done: Mapping[TopicPartition, int]
    ) -> None:
        for tp, offset in done.items():
            self._last[tp] = points[tp]
            self.committed[tp] = offset
        self.count += 1
        self._log.debug("committed", cut=self._number, partitions=len(done))

    def _same(self, tp: TopicPartition, one: Reached) -> bool:
        last = self._last.get(tp)
        return (
            last is not None
            and last.offset == one.offset
            and last.epoch == one.epoch
            and not one.ahead
        )

    def _ask_all(
        self, question: Cut | Resend, deadline: float
    ) -> tuple[dict[str, CutReport], list[Participant]]:
        """Return the reports, and the actors that did not answer in time."""
        futures = [(one, one.ask(question)) for one in self._participants]
        reports: dict[str, CutReport] = {}
        silent: list[Participant] = []
        for one, future in futures:
            try:
                report = self._answer(one.name, future, deadline)
            except ActorStoppedError:
                report = _last_word(one, question)
            if report is None:
                silent.append(one)
                if isinstance(question, Cut):
                    self._late.append(future)
            else:
                reports[one.name] = report
        if isinstance(question, Cut):
            self._take_deltas(reports)
        return reports, silent

    def _take_deltas(self, reports: Mapping[str, CutReport]) -> None:
        """Keep what changed in state, also of answers that came too late for their cut."""
        if self._transaction is None:
            return
        late, self._late = self._late, []
        for future in late:
            if not future.done():
                self._late.append(future)
            elif not future.cancelled() and future.exception() is None:
                self._transaction.take(future.result().deltas)
        for report in reports.values():
            self._transaction.take(report.deltas)

    def _answer(self, name: str, future: Future[CutReport], deadline: float) -> CutReport | None:
        """Wait for an actor's answer; ``None`` if it does not come in time."""
        while True:
            left = deadline - time.monotonic()
            try:
                return future.result(timeout=max(0.0, min(left, 0.05)))
            except FutureTimeoutError:
                if future.done():
                    raise  # the actor's own
                if left <= 0:
                    self._log.warning("no answer to a checkpoint in time", actor=name)
                    return None
                # The actor may be waiting for room in a producer's queue.
                self._poll()

    def _poll(self) -> None:
        for producer in self._producers():
            producer.poll()

    def _await_delivery(self, reports: Mapping[str, CutReport], deadline: float) -> None:
        parcels = [
            parcel for report in reports.values() for parcel in report.parcels if not parcel.is_held
        ]
        while parcels:
            self._await_settled(parcels, deadline)
            if not any(parcel.refused for parcel in parcels):
                return
            again, silent = self._ask_all(Resend(), deadline)
            if silent:
                # Its positions are in the cut already, and count what was refused as done.
                raise CommitError(
                    f"no answer from {silent[0].name!r} about records that were refused; "
                    f"nothing is committed past them"
                )
            known = {id(parcel) for parcel in parcels}
            parcels = [
                parcel
                for report in again.values()
                for parcel in report.parcels
                if not parcel.is_held and (parcel.refused or id(parcel) not in known)
            ]

    def _await_settled(self, parcels: Sequence[Parcel], deadline: float) -> None:
        producers = self._producers()
        for parcel in parcels:
            while not parcel.settled:
                if time.monotonic() > deadline:
                    raise BrokerUnavailableError(
                        f"records for {parcel.topic!r} have not arrived in time "
                        f"({parcel.accepted - parcel.good} of {parcel.accepted} missing)"
                    )
                for producer in producers:
                    producer.poll(0.02)

    def _reached(
        self, reports: Mapping[str, CutReport], silent: Sequence[Participant]
    ) -> dict[TopicPartition, Reached]:
        """Return how far each partition is finished, where all its branches have said so."""
        reached: dict[TopicPartition, Reached] = {}
        for tp, epoch in self._owned().items():
            if any(one.reads(tp.topic) for one in silent):
                continue
            offsets: dict[str, int] = {}
            complete = True
            for one in self._participants:
                for branch in one.branches(tp.topic):
                    position = reports[one.name].positions.get(branch, {}).get(tp)
                    if position is None or position[0] != epoch:
                        complete = False
                    else:
                        offsets[branch] = position[1]
            if not complete or not offsets:
                continue
            lowest = min(offsets.values())
            ahead = {name: offset for name, offset in offsets.items() if offset > lowest}
            reached[tp] = Reached(lowest, epoch, ahead)
        return reached


def _last_word(one: Participant, question: Cut | Resend) -> CutReport | None:
    """Ask an actor that ended before it came to the question: what it says now is final."""
    try:
        return one.ask(question).result(timeout=0)
    except (ActorStoppedError, FutureTimeoutError):
        return None
