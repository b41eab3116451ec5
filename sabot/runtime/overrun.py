"""The last resort of a process that is to end: at a stated time it does, whatever hangs.

A stop waits for users' functions, for brokers and for clients that wait for brokers. What
cannot be interrupted must not keep the process: what it had in hand is not committed and
comes again.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from typing import Self

__all__ = ["Overrun"]


class Overrun:
    """Ends the process when a stop takes longer than it may; for a process of one's own.

    Standard error then shows what every thread was doing.

    Args:
        seconds: From `begin` to the end.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._called_off = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._code = 0

    def begin(self, code: int) -> None:
        """Start the clock; where it runs already only the exit code is changed.

        Args:
            code: The exit code of a process that has to be ended.
        """
        with self._lock:
            self._code = code
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sabot-overrun", daemon=True)
                self._thread.start()

    def call_off(self) -> None:
        """Stop the clock: the process has come to its end by itself."""
        self._called_off.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.call_off()

    def _run(self) -> None:
        if self._called_off.wait(self._seconds):
            return
        sys.stderr.write(
            f"sabot: still not at the end {self._seconds:g} s after it was to stop; what each "
            "thread does:\n"
        )
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(self._code)
