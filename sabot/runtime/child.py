"""One worker process of a pool: started fresh, heard of, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from sabot.runtime.parent import LINK, NUMBER, Report

__all__ = ["Child"]

_LAST_WORDS_SECONDS = 1.0


class Child:
    """A process that reports to this one; never a fork: it begins with an empty memory.

    It is a process group of its own, so that a Ctrl-C at the terminal reaches the parent
    alone, which passes it on once.

    Args:
        number: Its number, from 1.
        command: The command line.
        environment: Variables beside those of this process.
        on_end: Called once, on a thread of the child's, when it has ended.
    """

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_end: Callable[[Child], None],
    ) -> None:
        self.number = number
        self.report: Report | None = None
        self.heard_at = time.monotonic()
        self._on_end = on_end
        mine, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                list(command),
                env={
                    **os.environ,
                    **environment,
                    LINK: str(theirs.fileno()),
                    NUMBER: str(number),
                },
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        self._socket = mine
        self._listener = threading.Thread(
            target=self._listen, name=f"sabot-child-{number}-reports", daemon=True
        )
        self._thread = threading.Thread(
            target=self._wait, name=f"sabot-child-{number}", daemon=True
        )
        self._listener.start()
        self._thread.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    @property
    def failure(self) -> str | None:
        """Why it failed, if it said so."""
        return None if self.report is None else self.report.failure

    def terminate(self) -> None:
        """Ask it to drain."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def join(self, timeout: float) -> bool:
        """Wait until it has ended and all it said was heard."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _send(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _listen(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                try:
                    self.report = msgspec.json.decode(line, type=Report)
                except msgspec.DecodeError:
                    continue  # it ended in the middle of it
                self.heard_at = time.monotonic()

    def _wait(self) -> None:
        self._process.wait()
        # What it has started itself may hold the line open for longer than it lived.
        self._listener.join(_LAST_WORDS_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._listener.join(_LAST_WORDS_SECONDS)
        self._socket.close()
        self._on_end(self)
