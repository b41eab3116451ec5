"""A message together with what the mailbox has to know about it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, NamedTuple

__all__ = ["Envelope"]


class Envelope(NamedTuple):
    """A message as it lies in a mailbox."""

    message: Any
    """What the sender gave; the mailbox never looks at it."""
    records: int = 1
    """Records it counts for, at least one."""
    size: int = 0
    """Bytes it counts for."""
    control: bool = False
    """Whether it came by the control lane."""
    reply: Future[Any] | None = None
    """Where the answer goes, if one is awaited."""

    def refuse(self, error: Exception) -> None:
        """Tell whoever awaits an answer that none will come."""
        if self.reply is not None and self.reply.set_running_or_notify_cancel():
            self.reply.set_exception(error)
