"""The line from a worker to the process that started it: how it is, and whether that lives."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

import msgspec

from sabot.runtime.condition import Condition

__all__ = ["LINK", "NUMBER", "ParentLink", "Report", "take_descriptor"]

LINK = "SABOT_WORKER_LINK"
"""The environment variable with the descriptor of the line."""

NUMBER = "SABOT_WORKER_NUMBER"
"""The environment variable with the worker's number, from 1."""

_REPORT_SECONDS = 1.0


class Report(msgspec.Struct, frozen=True):
    """How a worker is, as it says itself."""

    health: Condition
    ready: Condition
    statistics: Any = None
    failure: str | None = None
    """Why it is about to end, where it failed."""


def take_descriptor() -> int | None:
    """Return this process's end of the line to its parent, where there is one.

    It is forgotten then: a process that this one starts is not the parent's.
    """
    descriptor = os.environ.pop(LINK, None)
    return None if descriptor is None else int(descriptor)


class ParentLink:
    """Reports once a second, and hears when the parent has gone.

    Args:
        descriptor: This process's end of a socket pair.
        report: Makes a report.
        on_gone: Called once, on a thread of its own, when the parent is no more.
    """

    def __init__(
        self, descriptor: int, report: Callable[[], Report], on_gone: Callable[[], None]
    ) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._report = report
        self._on_gone = on_gone
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"sabot-parent-{name}", daemon=True)
            for name, target in (("reports", self._write), ("watch", self._read))
        ]

    def start(self) -> Self:
        """Begin to report."""
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """Send the last report and let the line go."""
        self._closing.set()
        self._threads[0].join(_REPORT_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._threads[1].join(_REPORT_SECONDS)
        self._socket.close()

    def _write(self) -> None:
        # Whoever has gone is heard of by the other thread.
        with contextlib.suppress(OSError):
            while not self._closing.is_set():
                self._send()
                self._closing.wait(_REPORT_SECONDS)
            self._send()

    def _send(self) -> None:
        self._socket.sendall(msgspec.json.encode(self._report(), enc_hook=str) + b"\n")

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(64):
                pass
        if not self._closing.is_set():
            self._on_gone()
