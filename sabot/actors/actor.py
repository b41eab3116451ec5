"""What an actor has to be."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Actor"]


class Actor(Protocol):
    """Something with a name that handles one message at a time.

    Subclass it and write `receive`; the other methods do nothing unless written.

    **Threads.** All methods are called by one thread, the actor's own, never two at once.
    What only these methods touch needs no lock.

    **Call order.** `started` first, until it has returned once. Then `receive` for each
    data message, `receive_control` for each control message and `tick` when it is due,
    in any mixture. `stopping` last, exactly once, whatever happened before, also where
    `started` never succeeded.

    **Failure.** If `receive` raises an `Exception`, its message stays *in hand*: after
    the backoff `restarted` is called and then `receive` again with the very same message.
    So nothing is lost and no source has to rewind; `receive` must bear being given a
    message of which it has done a part already. The actor object is kept, so putting its
    own state in order is the business of `restarted`. What waits in the mailbox stays
    there, and control messages are served during the backoff.

    Too many failures, or one that no restart can mend, end the actor and go to its parent
    (`sabot.actors.Supervision`). ``SystemExit``, ``KeyboardInterrupt`` and
    ``CancelledError`` are never tried again: they go to the parent as they are, a
    ``SystemExit`` with its code.

    Where an actor is stopped with a message in hand that keeps failing, that message is
    given up, never reported as done: its source must still have it.

    Attributes:
        name: Names the actor in logs, its thread and the tree; unique in its system.
    """

    name: str

    def started(self) -> None:
        """Open what the actor needs; called before any message."""
        return

    def receive(self, message: Any) -> None:
        """Handle one data message; it is done when this returns."""
        ...

    def receive_control(self, message: Any) -> Any:  # noqa: ARG002 - a default
        """Handle one control message, possibly while a data message is in hand.

        Returns:
            The answer, where the sender asked; else ignored.

        A control message that fails is not given again. The error goes to the asker where
        there is one, else it counts as a failure of the actor.
        """
        return None

    def tick(self) -> float | None:
        """Do what is due by the clock, or poll something for new work.

        Called once after `started` and then whenever it is due, between two messages, not
        during a backoff. Waiting control messages go first.

        Returns:
            Seconds until the next call; 0 for as soon as no control message waits;
            ``None`` for never again.
        """
        return None

    def restarted(self, error: Exception) -> None:  # noqa: ARG002 - a default
        """Put the actor's own state in order after ``error``; called after the backoff.

        If it raises, that is the next failure.
        """
        return

    def interrupt(self) -> None:
        """Let go of what is in hand, which is not done then; it is given again.

        Called by another thread where a sibling's failure has this actor begin anew
        (`Group`); `restarted` follows between two messages. An actor that cannot
        interrupt its work does nothing and begins anew after it.
        """
        return

    def stopping(self) -> None:
        """Close everything; the last call. An error here is escalated."""
        return
