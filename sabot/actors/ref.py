"""What others hold of an actor."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from sabot.actors.cell import ThreadCell
from sabot.actors.mailbox import Mailbox
from sabot.actors.statistics import ActorStatistics

__all__ = ["ActorRef"]


class ActorRef:
    """The address of an actor; safe to use from any thread, also after it has ended."""

    __slots__ = ("_cell",)

    def __init__(self, cell: ThreadCell) -> None:
        self._cell = cell

    def __repr__(self) -> str:
        return f"<ActorRef {self.name!r}>"

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._cell.name

    @property
    def mailbox(self) -> Mailbox:
        """The actor's mailbox, for sources that pause by its depth."""
        return self._cell.mailbox

    @property
    def has_ended(self) -> bool:
        """Whether nothing of the actor runs any more."""
        return self._cell.has_ended

    @property
    def failure(self) -> BaseException | None:
        """What ended the actor, if an error did."""
        return self._cell.failure

    def tell(
        self, message: Any, *, records: int = 1, size: int = 0, timeout: float | None = None
    ) -> None:
        """Send data, waiting for room; see `Mailbox.put`.

        Raises:
            MailboxFullError: If there was no room within ``timeout`` seconds.
            ActorStoppedError: If the actor takes no more data.
        """
        self._cell.mailbox.put(message, records=records, size=size, timeout=timeout)

    def offer(self, message: Any, *, records: int = 1, size: int = 0) -> bool:
        """Send data without waiting; return whether it was taken. See `Mailbox.offer`."""
        return self._cell.mailbox.offer(message, records=records, size=size)

    def signal(self, message: Any) -> None:
        """Send a control message; it overtakes data and is served during a backoff."""
        self._cell.mailbox.signal(message)

    def ask(self, message: Any) -> Future[Any]:
        """Send a control message and return the future of its answer.

        Wait with ``ask(...).result(timeout=5)``; on the actor's own thread that would be
        waiting for oneself. A cancelled question that was not begun is not served.

        Returns:
            A future of what ``receive_control`` returns, or of its error, or of an
            `ActorStoppedError` where the actor ended first.

        Raises:
            ActorStoppedError: If the actor has ended.
        """
        reply: Future[Any] = Future()
        self._cell.mailbox.signal(message, reply=reply)
        return reply

    def stop(self, *, drain: bool = True, timeout: float | None = None) -> bool:
        """Stop this actor alone and wait for it; see `ThreadCell.stop`."""
        return self._cell.stop(drain=drain, timeout=timeout)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the actor has ended, and say whether it has."""
        return self._cell.join(timeout)

    def stack(self) -> str:
        """Return what the actor's thread is doing, as lines of a traceback."""
        return self._cell.stack()

    def statistics(self) -> ActorStatistics:
        """Return how the actor is."""
        return self._cell.statistics()
