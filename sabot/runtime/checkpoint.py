"""The checkpoint: the only place where offsets are committed.

At least once: ask every actor how far it has come, wait until everything it had produced
by then has arrived, check that the partitions are still ours, then commit, in one
request. Actors work on meanwhile; what they produce belongs to the next cut.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol

from sabot.errors import ActorStoppedError, BrokerUnavailableError, CommitError
from sabot.kafka.commits import CommitPoint
from sabot.kafka.producer import KafkaProducer, Parcel
from sabot.logs import get_logger
from sabot.runtime.messages import Cut, CutReport, Resend
from sabot.runtime.metadata import metadata_of
from sabot.runtime.progress import Start
from sabot.types import TopicPartition

__all__ = ["Checkpoint", "Participant"]


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


class Checkpoint:
    """Makes cuts for one domain, one at a time.

    Args:
        participants: All actors of the domain.
        producers: Called for the producers in use.
        owned: Called for the partitions that may be committed, with their epochs.
        commit: Commits points; called with what is still owned only.
        serve: Called while a cut waits for another one.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        producers: Callable[[], Sequence[KafkaProducer]],
        owned: Callable[[], Mapping[TopicPartition, int]],
        commit: Callable[[Mapping[TopicPartition, CommitPoint]], Mapping[TopicPartition, int]],
        serve: Callable[[], None],
    ) -> None:
        self._participants = participants
        self._producers = producers
        self._owned = owned
        self._commit = commit
        self._serve = serve
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

    def begin(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Take note of where partitions start, so that standing still commits nothing."""
        for tp, start in starts.items():
            if not start.ahead:
                self._last[tp] = CommitPoint(start.offset, start.epoch)

    def _cut(self, deadline: float, *, commit: bool) -> bool:
        self._number += 1
        reports, silent = self._ask_all(Cut(self._number), deadline)
        self._await_delivery(reports, deadline)
        if not commit:
            return not silent
        points = self._points(reports, silent)
        due = {tp: point for tp, point in points.items() if not self._same(tp, point)}
        if due:
            done = self._commit(due)
            for tp, offset in done.items():
                self._last[tp] = due[tp]
                self.committed[tp] = offset
            self.count += 1
            self._log.debug("committed", cut=self._number, partitions=len(done))
        return not silent

    def _same(self, tp: TopicPartition, point: CommitPoint) -> bool:
        last = self._last.get(tp)
        return (
            last is not None
            and last.offset == point.offset
            and last.epoch == point.epoch
            and "ahead" not in point.metadata
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
            else:
                reports[one.name] = report
        return reports, silent

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
        parcels = [parcel for report in reports.values() for parcel in report.parcels]
        while True:
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
                if parcel.refused or id(parcel) not in known
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

    def _points(
        self, reports: Mapping[str, CutReport], silent: Sequence[Participant]
    ) -> dict[TopicPartition, CommitPoint]:
        points: dict[TopicPartition, CommitPoint] = {}
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
            points[tp] = CommitPoint(lowest, epoch, metadata_of(self._number, ahead))
        return points


def _last_word(one: Participant, question: Cut | Resend) -> CutReport | None:
    """Ask an actor that ended before it came to the question: what it says now is final."""
    try:
        return one.ask(question).result(timeout=0)
    except (ActorStoppedError, FutureTimeoutError):
        return None
