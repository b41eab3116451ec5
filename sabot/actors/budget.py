"""Bytes that all mailboxes of a process share, with a least share for each."""

from __future__ import annotations

import threading

from sabot.errors import ConfigurationError

__all__ = ["ByteBudget", "Share"]


class ByteBudget:
    """So many bytes for all mailboxes together.

    Half of it is guaranteed, in equal parts: a mailbox may always hold its part, however
    much the others hold. The other half is a pool for whoever needs more. So one slow
    actor can use up the pool, but starves nobody, and the sum stays within the budget.

    What a share is charged for are the messages that wait and the one in hand.

    Args:
        total: The bytes.

    Example:
        >>> budget = ByteBudget(1000)
        >>> slow, quick = budget.share(), budget.share()
        >>> slow.guaranteed
        250
        >>> slow.take(750), slow.take(1), quick.take(250), quick.take(1)
        (True, False, True, False)
        >>> budget.used
        1000
    """

    def __init__(self, total: int) -> None:
        if isinstance(total, bool) or not isinstance(total, int) or total < 1:
            raise ConfigurationError(
                f"mailbox_bytes is {total!r}; allowed: a whole number of bytes above 0"
            )
        self.total = total
        self._lock = threading.Lock()
        self._shares: set[Share] = set()

    @property
    def used(self) -> int:
        """Bytes that wait or are in hand, in all mailboxes together."""
        with self._lock:
            return sum(share.used for share in self._shares)

    def share(self) -> Share:
        """Return a share for one more mailbox; the guaranteed part of each gets smaller."""
        share = Share(self)
        with self._lock:
            self._shares.add(share)
        return share

    def _guaranteed(self) -> int:
        return self.total // 2 // max(1, len(self._shares))

    def _pool_left(self, guaranteed: int) -> int:
        beyond = sum(max(0, share.used - guaranteed) for share in self._shares)
        return self.total - guaranteed * len(self._shares) - beyond


class Share:
    """One mailbox's part of a budget; safe to use from any thread."""

    __slots__ = ("_budget", "used")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.used = 0

    @property
    def guaranteed(self) -> int:
        """Bytes it may hold whatever the others do."""
        with self._budget._lock:
            return self._budget._guaranteed()

    def take(self, size: int, *, anyway: bool = False) -> bool:
        """Charge so many bytes if there is room for them; return whether there was.

        Args:
            size: The bytes.
            anyway: Charge them even so. For a message that could never pass otherwise.
        """
        budget = self._budget
        with budget._lock:
            least = budget._guaranteed()
            more = max(0, self.used + size - least) - max(0, self.used - least)
            fits = more <= 0 or more <= budget._pool_left(least)
            if fits or anyway:
                self.used += size
            return fits or anyway

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        with self._budget._lock:
            self.used -= size

    def is_tight(self) -> bool:
        """Return whether it should be left to shrink before it takes more.

        That is while it holds over half of its guaranteed part and the pool is used up
        by over half.
        """
        budget = self._budget
        with budget._lock:
            least = budget._guaranteed()
            if self.used <= least // 2:
                return False
            whole = budget.total - least * len(budget._shares)
            return budget._pool_left(least) < whole // 2

    def close(self) -> None:
        """Leave the budget; what is still held no longer counts."""
        with self._budget._lock:
            self._budget._shares.discard(self)
            self.used = 0
