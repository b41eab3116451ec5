"""Commits: what they say, and how other threads ask the reader's for one."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Any, Protocol

from sabot.errors import CommitError
from sabot.types import TopicPartition

__all__ = ["CommitPoint", "CommitRequests", "Transaction", "await_commit", "commit_now"]

Points = Mapping[TopicPartition, "CommitPoint"]
Committed = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class CommitPoint:
    """An offset to commit, under the assignment it was earned in."""

    offset: int
    epoch: int
    metadata: str = ""


class Transaction(Protocol):
    """An open transaction that offsets can be made part of."""

    def send_offsets(self, consumer: Any, points: Points) -> None:
        """Make the offsets of a consumer's group part of it; on the consumer's thread."""
        ...


@dataclass(frozen=True, slots=True)
class _Request:
    points: Points
    within: Transaction | None = None
    answer: Future[Committed] = field(default_factory=Future)


class CommitRequests:
    """Commits that other threads have asked for, until the reader's thread makes them."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._in_hand: Future[Committed] | None = None

    def ask(self, points: Points, within: Transaction | None = None) -> Future[Committed]:
        """Ask for a commit, or for one within a transaction; the future says of what."""
        request = _Request(points, within)
        self._waiting.put(request)
        return request.answer

    def serve(self, commit: Callable[[Points, Transaction | None], Committed]) -> None:
        """Make all that were asked for; one that nobody waits for any more is left out."""
        while True:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                return
            if not request.answer.set_running_or_notify_cancel():
                continue
            self._in_hand = request.answer
            try:
                committed = commit(request.points, request.within)
            except Exception as error:  # noqa: BLE001 - goes to whoever asked
                _answer(request.answer, error)
            else:
                _answer(request.answer, committed)
            self._in_hand = None

    def refuse(self) -> None:
        """Answer all that were asked for with an error: nobody will make them."""

        def left(_points: Points, _within: Transaction | None) -> Committed:
            raise CommitError("the consumer has left the group")

        self.serve(left)

    def abandon(self) -> None:
        """Answer all with an error, the one that is being made too.

        The client has no time-out for a commit: while a broker is silent it does not come
        back. Nothing can be said of such a commit.
        """
        in_hand = self._in_hand
        if in_hand is not None:
            _answer(in_hand, CommitError("the broker has not answered a commit"))
        self.refuse()


def _answer(future: Future[Committed], answer: Committed | Exception) -> None:
    with contextlib.suppress(InvalidStateError):  # given up meanwhile
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def await_commit(answer: Future[Committed], timeout: float) -> Committed:
    """Wait for an answer; one that comes too late must not be given any more.

    Raises:
        CommitError: If there is none in time.
    """
    try:
        return answer.result(timeout)
    except FutureTimeoutError as error:
        if not answer.cancel() and answer.done():
            return answer.result()
        raise CommitError(f"a commit was not answered within {timeout:g} s") from error


def commit_now(client: Any, points: Points) -> Committed:
    """Commit synchronously, and return what was committed.

    Raises:
        CommitError: If the broker refuses, wholly or for a partition.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka import TopicPartition as ClientPartition

    offsets = [
        ClientPartition(tp.topic, tp.partition, point.offset, metadata=point.metadata)
        for tp, point in points.items()
    ]
    try:
        answers = client.commit(offsets=offsets, asynchronous=False)
    except KafkaException as error:
        raise CommitError(f"the broker refused a commit: {error.args[0].str()}") from error
    for answer in answers:
        if answer.error is not None:
            raise CommitError(
                f"the broker refused to commit {answer.topic}[{answer.partition}]@"
                f"{answer.offset}: {answer.error.str()}"
            )
    return {tp: point.offset for tp, point in points.items()}
