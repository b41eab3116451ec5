"""Makes checkpoints by time, and takes delivery reports in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from sabot.errors import CommitError
from sabot.kafka.producer import KafkaProducer
from sabot.logs import get_logger
from sabot.runtime.checkpoint import Checkpoint

__all__ = ["Keeper"]

_CUT_SECONDS = 60.0
_COMMIT_TROUBLE_SECONDS = 120.0
_LOOK_SECONDS = 0.1


class Keeper:
    """The thread that keeps a domain's commits up to date; it outlives no domain.

    Args:
        name: The domain's.
        checkpoint: What to cut.
        producers: Called for the producers in use.
        interval: Seconds between two cuts.
        commits: Whether cuts commit; without it they only wait for delivery.
        resting: Whether it must leave cuts to somebody else.
        on_end: Called with the reason why the domain must not go on.
        stopping: Set when there is nothing more to keep.
    """

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        *,
        producers: Callable[[], Sequence[KafkaProducer]],
        interval: float,
        commits: bool,
        resting: Callable[[], bool],
        on_end: Callable[[BaseException], None],
        stopping: threading.Event,
    ) -> None:
        self._checkpoint = checkpoint
        self._producers = producers
        self._interval = interval
        self._commits = commits
        self._resting = resting
        self._on_end = on_end
        self._stopping = stopping
        self._hurried = threading.Event()
        self._trouble_since: float | None = None
        self._log = get_logger("sabot.domain").bind(group=name)
        self.thread = threading.Thread(
            target=self._run, name=f"sabot-checkpoint-{name}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def hurry(self) -> None:
        """Make the next cut now, or end where that is asked for."""
        self._hurried.set()

    def _run(self) -> None:
        due = time.monotonic() + self._interval
        while not self._stopping.is_set():
            self._hurried.wait(min(_LOOK_SECONDS, self._interval))
            for producer in self._producers():
                producer.poll()
            hurried = self._hurried.is_set()
            self._hurried.clear()
            if self._stopping.is_set() or self._resting():
                continue
            if time.monotonic() < due and not hurried:
                continue
            try:
                self._cut()
            except Exception as error:
                self._on_end(error)
                return
            due = time.monotonic() + self._interval

    def _cut(self) -> None:
        """Make a cut; one that is not committed is made again, for some time."""
        try:
            self._checkpoint.cut(_CUT_SECONDS, commit=self._commits)
        except CommitError as error:
            now = time.monotonic()
            self._stopping.wait(min(0.2, self._interval))
            self._trouble_since = self._trouble_since or now
            self._log.warning("checkpoint not committed", error=str(error))
            if now - self._trouble_since > _COMMIT_TROUBLE_SECONDS:
                raise
        else:
            self._trouble_since = None
