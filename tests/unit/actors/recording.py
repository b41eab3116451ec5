"""An actor that writes down what is done to it and does what the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sabot.actors import Actor, Backoff, Mailbox, RestartLimit, Supervision

__all__ = ["STEADY", "Recording", "mailbox"]

STEADY = Supervision(
    backoff=Backoff(min_seconds=1, max_seconds=64, jitter=0),
    limit=RestartLimit(count=5, window_seconds=3600),
)


def mailbox(**settings: Any) -> Mailbox:
    return Mailbox(max_records=100, max_bytes=1 << 20, **settings)


class Recording(Actor):
    """Notes each call in `seen`, then runs what `on` has for it.

    ``on["receive"]`` and the others are called with the message and may raise.
    """

    def __init__(self, name: str = "recorder", **on: Callable[..., Any]) -> None:
        self.name = name
        self.on = on
        self.seen: list[tuple[str, Any]] = []
        self.threads: set[threading.Thread] = set()
        self._changed = threading.Condition()

    def wait_for(self, method: str, count: int = 1) -> None:
        """Return once ``method`` has been entered ``count`` times."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages(method)) >= count, 20)

    def messages(self, method: str) -> list[Any]:
        return [message for name, message in self.seen if name == method]

    @property
    def calls(self) -> list[str]:
        return [name for name, _ in self.seen]

    def _note(self, method: str, *message: Any) -> Any:
        self.threads.add(threading.current_thread())
        with self._changed:
            self.seen.append((method, message[0] if message else None))
            self._changed.notify_all()
        return self.on[method](*message) if method in self.on else None

    def started(self) -> None:
        self._note("started")

    def receive(self, message: Any) -> None:
        self._note("receive", message)

    def receive_control(self, message: Any) -> Any:
        return self._note("receive_control", message)

    def tick(self) -> float | None:
        wait: float | None = self._note("tick")
        return wait

    def restarted(self, error: Exception) -> None:
        self._note("restarted", error)

    def stopping(self) -> None:
        self._note("stopping")
