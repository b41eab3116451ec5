"""A bounded queue in front of one actor, with a lane for control messages."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty
from typing import Any, NamedTuple

from sabot.actors.budget import ByteBudget
from sabot.actors.envelope import Envelope
from sabot.clock import Clock, SystemClock
from sabot.errors import ActorStoppedError, ConfigurationError, MailboxFullError

__all__ = ["Bound", "Mailbox"]


class Bound(NamedTuple):
    """How much a mailbox holds, in both of its measures."""

    records: int
    bytes: int


class Mailbox:
    """Messages on their way to one actor, bounded in records and in bytes.

    Any number of threads may send; one thread takes. There are two lanes. *Data* is
    bounded and first-in first-out. *Control* (cut markers, stop, questions) is small,
    first-in first-out among itself, not bounded, and overtakes all data.

    **Nothing is dropped.** A message that finds no room is refused to its sender, who
    still has it. The one exception to the bound: an empty data lane takes any message,
    however big, since otherwise that one could never pass.

    **Full and open.** The mailbox counts as full when it has reached a bound or refused
    a message, and as open again once it is at half of both bounds (`reopen_at`). Sources
    pause their partitions by `is_full` and so do not pause and resume once per batch.
    `offer` itself goes by the bound alone.

    **Counting.** A message stops counting against the bounds when it is taken: the actor
    then has it in hand. Against a budget it counts until it is settled, or the next one is
    taken.

    **Closing.** After `close` data is refused and control still passes, so that a cut can
    be made behind the last data; after `end` nothing passes.

    Not for signal handlers: a handler that interrupts the thread holding the lock would
    wait for itself. Let it write to a pipe and a thread send the message.

    Args:
        max_records: Bound of the data lane in records.
        max_bytes: Bound of the data lane in bytes.
        budget: Bytes it shares with other mailboxes, as a third bound. What finds no room
            there is refused, too.
        clock: What timeouts are measured by.
        on_message: Called without arguments, by the sending thread and outside the lock,
            after each message and after `close`. An actor on an event loop is woken by it
            (``call_soon_threadsafe``). It must not raise and must not block.

    Raises:
        ConfigurationError: If a bound is below one.

    Example:
        >>> mailbox = Mailbox(max_records=2, max_bytes=1000)
        >>> mailbox.offer("a"), mailbox.offer("b"), mailbox.offer("c")
        (True, True, False)
        >>> mailbox.signal("cut")
        >>> mailbox.get(), mailbox.get(), mailbox.get()
        ('cut', 'a', 'b')
    """

    def __init__(
        self,
        max_records: int,
        max_bytes: int,
        *,
        budget: ByteBudget | None = None,
        clock: Clock | None = None,
        on_message: Callable[[], None] | None = None,
    ) -> None:
        if max_records < 1 or max_bytes < 1:
            raise ConfigurationError(
                f"a mailbox holds at least one record and one byte, "
                f"not max_records={max_records!r}, max_bytes={max_bytes!r}"
            )
        self.on_message = on_message
        self.owner = ""
        self._clock: Clock = clock or SystemClock()
        self._bound = Bound(max_records, max_bytes)
        self._reopen_at = Bound(max_records // 2, max_bytes // 2)
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._data: deque[Envelope] = deque()
        self._control: deque[Envelope] = deque()
        self._records = 0
        self._bytes = 0
        self._in_hand = 0
        self._share = None if budget is None else budget.share()
        self._full = False
        self._closed = False
        self._ended = False

    @property
    def bound(self) -> Bound:
        """The most it takes."""
        return self._bound

    @property
    def reopen_at(self) -> Bound:
        """What must be left at most before a full mailbox counts as open again."""
        return self._reopen_at

    @property
    def depth(self) -> int:
        """Records waiting; control messages do not count."""
        return self._records

    @property
    def bytes(self) -> int:
        """Bytes waiting; control messages do not count."""
        return self._bytes

    @property
    def held(self) -> int:
        """Bytes waiting and in hand, as a budget counts them."""
        return self._bytes + self._in_hand

    @property
    def guaranteed(self) -> int:
        """Bytes it may hold whatever the other mailboxes of its budget hold."""
        return self._bound.bytes if self._share is None else self._share.guaranteed

    @property
    def has_control(self) -> bool:
        """Whether a control message waits."""
        return bool(self._control)

    @property
    def is_full(self) -> bool:
        """Whether a source should pause: full, and not yet down to `reopen_at` again."""
        return self._full

    @property
    def is_closed(self) -> bool:
        """Whether data is refused for good."""
        return self._closed

    def has_room(self) -> bool:
        """Return whether a paused source may go on; the opposite of `is_full`."""
        return not self._full

    def wait_for_room(self, timeout: float | None = None) -> bool:
        """Wait until a paused source may go on.

        Room is no promise: another sender may be quicker, and a big message may need more.

        Returns:
            False where ``timeout`` seconds passed and it is still full.

        Raises:
            ActorStoppedError: If the mailbox is closed, or is closed meanwhile.
        """
        with self._lock:
            opened = self._await(self._room, self._is_open_or_closed, timeout)
            self._refuse_if(self._closed)
            return opened

    def offer(self, message: Any, *, records: int = 1, size: int = 0) -> bool:
        """Send data without ever waiting.

        Args:
            message: The message.
            records: Records it counts for; less than one counts as one, since a message
                without records takes memory too.
            size: Bytes it counts for.

        Returns:
            Whether it was taken. If not, the sender still has it and tries again later;
            keeping the order is then up to the sender.

        Raises:
            ActorStoppedError: If the mailbox is closed.
        """
        envelope = Envelope(message, max(records, 1), size)
        with self._lock:
            self._refuse_if(self._closed)
            if not self._fits(envelope):
                return False
            self._append(envelope)
        self._announce()
        return True

    def put(
        self, message: Any, *, records: int = 1, size: int = 0, timeout: float | None = None
    ) -> None:
        """Send data, waiting for room.

        An actor that puts into its own mailbox waits for itself; only `signal` is for that.

        Args:
            message: The message.
            records: Records it counts for; less than one counts as one.
            size: Bytes it counts for.
            timeout: Seconds to wait at most; ``None`` waits as long as it takes.

        Raises:
            MailboxFullError: If the time ran out; the message was not taken.
            ActorStoppedError: If the mailbox is closed, or is closed meanwhile.
        """
        envelope = Envelope(message, max(records, 1), size)
        with self._lock:
            fits = self._await(self._room, lambda: self._closed or self._fits(envelope), timeout)
            self._refuse_if(self._closed)
            if not fits:
                raise MailboxFullError(
                    f"mailbox of {self.owner!r} had no room for {envelope.records} records and "
                    f"{size} bytes within {timeout!r} s; it holds {self._records} of "
                    f"{self._bound.records} records and {self._bytes} of {self._bound.bytes} bytes"
                )
            self._append(envelope)
        self._announce()

    def signal(self, message: Any, *, reply: Future[Any] | None = None) -> None:
        """Send a control message: it overtakes all data and is never refused for room.

        Raises:
            ActorStoppedError: If the mailbox has ended.
        """
        with self._lock:
            self._refuse_if(self._ended)
            self._control.append(Envelope(message, 0, 0, True, reply))
            self._arrived.notify_all()
        self._announce()

    def get(self, timeout: float | None = None) -> Any:
        """Take the next message; see `take`."""
        return self.take(timeout).message

    def take(self, timeout: float | None = None) -> Envelope:
        """Take the next message in its envelope: control first, then the oldest data.

        Args:
            timeout: Seconds to wait at most; 0 does not wait, ``None`` waits for ever.

        Raises:
            queue.Empty: If nothing came in time.
            ActorStoppedError: If the mailbox is closed and both lanes are empty: nothing
                more will come.
        """
        with self._lock:
            self._settle()
            if not (self._control or self._data) and not self._closed:
                self._await(self._arrived, self._has_any_or_closed, timeout)
            if self._control:
                return self._control.popleft()
            if self._data:
                return self._pop()
            self._refuse_if(self._closed)
            raise Empty

    def settle(self) -> None:
        """Note that the message in hand is done; said by whoever takes."""
        with self._lock:
            self._settle()

    def take_control(self, timeout: float | None = None) -> Envelope:
        """Take the next control message and leave data where it is, closed or not.

        Raises:
            queue.Empty: If none came in time, or the mailbox has ended.
        """
        with self._lock:
            self._await(self._arrived, lambda: bool(self._control) or self._ended, timeout)
            if self._control:
                return self._control.popleft()
            raise Empty

    def drop_if(self, predicate: Callable[[Any], bool]) -> int:
        """Remove the data messages for which ``predicate`` is true.

        For messages whose records are somebody else's business by now (a lost partition).
        What is already in hand is not reached.

        Args:
            predicate: Called under the lock, so it must be quick and must not use this
                mailbox. If it raises, nothing is removed.

        Returns:
            How many messages were removed.
        """
        with self._lock:
            kept = deque(e for e in self._data if not predicate(e.message))
            dropped = len(self._data) - len(kept)
            if dropped:
                self._data = kept
                self._records = sum(e.records for e in kept)
                freed, self._bytes = self._bytes, sum(e.size for e in kept)
                self._give(freed - self._bytes)
                self._reopen()
            return dropped

    def close(self, *, drain: bool = True) -> int:
        """Refuse data from now on; closing twice is fine.

        Args:
            drain: Whether the data that waits is still handed out. Without it that data
                is thrown away, which is right only where its source will send it again.

        Returns:
            How many messages were thrown away.
        """
        with self._lock:
            self._closed = True
            dropped = 0 if drain else len(self._clear())
            self._arrived.notify_all()
            self._room.notify_all()
        self._announce()
        return dropped

    def end(self) -> list[Envelope]:
        """Refuse everything from now on.

        Returns:
            What was left in both lanes, control first, so that nobody is left waiting for
            an answer.
        """
        with self._lock:
            self._closed = self._ended = True
            left = [*self._control, *self._clear()]
            self._control.clear()
            self._in_hand = 0
            if self._share is not None:
                self._share.close()
            self._arrived.notify_all()
            self._room.notify_all()
        return left

    def _await(
        self, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None
    ) -> bool:
        if ready():
            return True
        until = None if timeout is None else self._clock.monotonic() + timeout
        while True:
            left = None if until is None else until - self._clock.monotonic()
            if left is not None and left <= 0:
                return False
            self._clock.wait_on(condition, left)
            if ready():
                return True

    def _fits(self, envelope: Envelope) -> bool:
        share = self._share
        if not self._data:
            return share is None or share.take(envelope.size, anyway=True)
        if (
            self._records + envelope.records <= self._bound.records
            and self._bytes + envelope.size <= self._bound.bytes
            and (share is None or share.take(envelope.size))
        ):
            return True
        # Somebody is short of room now, whatever the depth: a taker has to say when
        # there is some, and only a full mailbox is looked after that way.
        self._full = True
        return False

    def _append(self, envelope: Envelope) -> None:
        self._data.append(envelope)
        self._records += envelope.records
        self._bytes += envelope.size
        if self._records >= self._bound.records or self._bytes >= self._bound.bytes:
            self._full = True
        self._arrived.notify_all()

    def _pop(self) -> Envelope:
        envelope = self._data.popleft()
        self._records -= envelope.records
        self._bytes -= envelope.size
        self._in_hand = envelope.size
        if self._full:
            self._reopen()
        return envelope

    def _settle(self) -> None:
        done, self._in_hand = self._in_hand, 0
        if done and self._share is not None:
            self._share.give(done)
            if self._full:
                # There is more room in the budget; in the mailbox itself there is not.
                self._reopen()

    def _give(self, size: int) -> None:
        if self._share is not None:
            self._share.give(size)

    def _reopen(self) -> None:
        if self._share is not None and self._data and self._share.is_tight():
            return
        if self._records <= self._reopen_at.records and self._bytes <= self._reopen_at.bytes:
            self._full = False
            self._room.notify_all()

    def _clear(self) -> list[Envelope]:
        left = list(self._data)
        self._data.clear()
        self._give(self._bytes)
        self._records = self._bytes = 0
        self._reopen()
        return left

    def _has_any_or_closed(self) -> bool:
        return bool(self._control or self._data) or self._closed

    def _is_open_or_closed(self) -> bool:
        return not self._full or self._closed

    def _refuse_if(self, refused: bool) -> None:
        if refused:
            raise ActorStoppedError(
                f"actor {self.owner!r} takes no more messages: it has stopped or is about to"
            )

    def _announce(self) -> None:
        if self.on_message is not None:
            self.on_message()
