"""A thread that looks, again and again, whether somebody's code holds things up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sabot.logs import get_logger

__all__ = ["Lookout"]


class Lookout:
    """Calls what it is given at regular times, on a thread of its own.

    Args:
        looks: What to call; one that raises is logged and called again the next time.
        every: Seconds between two rounds.
    """

    def __init__(self, looks: Sequence[Callable[[], None]], *, every: float) -> None:
        self._looks = list(looks)
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sabot-lookout", daemon=True)
        self._log = get_logger("sabot.lookout")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Look no more; fine where it never did."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            for look in self._looks:
                try:
                    look()
                except Exception as error:
                    self._log.error("looking failed", error=repr(error))
