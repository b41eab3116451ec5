"""Workers inside the test's process: each on a thread of its own, watched by its statistics."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sabot.api.stream import OutputStream
from sabot.app.app import App
from sabot.plan.outputs import collecting
from sabot.runtime.settings import StateSettings, WorkerSettings
from sabot.runtime.statistics import PipelineStatistics, WorkerStatistics
from sabot.runtime.worker import Worker
from tests.broker import Kafka
from tests.until import until

__all__ = ["FAST", "RunningWorker", "hosted", "quick"]

FAST: dict[str, Any] = {
    "auto_offset_reset": "earliest",
    "auto_commit_interval_ms": 100,
    "fetch_max_wait_ms": 20,
    "session_timeout_ms": 6000,
    "heartbeat_interval_ms": 300,
    "connect_timeout_seconds": 8.0,
}
"""Options of a source that make a test short: an early start, a cut every 0.1 s."""


_folder = tempfile.TemporaryDirectory(prefix="sabot-tests-")
# Transactions take their slot from it; the checkout is no place for that.
_STATE = StateSettings(directory=_folder.name)


def quick(**changes: Any) -> WorkerSettings:
    """Return settings for a worker that shares its process with the tests."""
    return WorkerSettings(**{"tune_process": False, "state": _STATE, **changes})


class RunningWorker:
    """A worker on a thread; leaving the block stops it where it still runs.

    Args:
        worker: A new worker.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, name=f"sabot-host-{worker.name}")

    def _run(self) -> None:
        self._code = self.worker.run()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            self.stop()

    @property
    def failure(self) -> BaseException | None:
        """Why it failed."""
        return self.worker.failure

    @property
    def statistics(self) -> WorkerStatistics:
        """How it is now."""
        return self.worker.statistics()

    def pipeline(self, number: int = 0) -> PipelineStatistics:
        """How one of its pipelines is now."""
        return self.statistics.pipelines[number]

    @property
    def sent(self) -> int:
        """The rows that left by any output."""
        return sum(sum(each.records_out.values()) for each in self.statistics.pipelines)

    def await_sent(self, count: int, timeout: float = 30) -> None:
        """Wait until so many rows have left; fails at once where the worker has ended."""

        def enough() -> bool:
            assert self._thread.is_alive() or self.sent >= count, f"ended: {self.failure!r}"
            return self.sent >= count

        until(enough, what=f"{count} rows sent by {self.worker.name}", timeout=timeout)

    def await_committed(
        self, kafka: Kafka, group: str, topic: str, wanted: dict[int, int], timeout: float = 30
    ) -> None:
        """Wait until the group's offsets are these."""

        def there() -> bool:
            assert self._thread.is_alive(), f"ended: {self.failure!r}"
            return kafka.committed(group, topic) == wanted

        until(there, what=f"{wanted} committed for {topic}", timeout=timeout, every=0.05)

    def await_assigned(self, count: int, timeout: float = 30) -> None:
        """Wait until it reads so many partitions."""

        def there() -> bool:
            assert self._thread.is_alive(), f"ended: {self.failure!r}"
            readers = [domain._reader for domain in list(self.worker._domains.values())]
            return sum(len(reader.positions()) for reader in readers if reader) == count

        until(there, what=f"{count} partitions of {self.worker.name}", timeout=timeout)

    def stop(self, timeout: float = 45) -> int:
        """Drain it and return its exit code."""
        self.worker.request_stop("the test is done with it")
        return self.ends(timeout)

    def ends(self, timeout: float = 45) -> int:
        """Wait for its end and return its exit code."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"the worker still runs after {timeout:g} s"
        assert self._code is not None, f"the worker has no exit code; failure: {self.failure!r}"
        return self._code


def hosted(
    define: Callable[[App], OutputStream | None],
    *,
    kafka: Kafka,
    group: str,
    settings: WorkerSettings | None = None,
) -> RunningWorker:
    """Return a worker for an app that is defined anew: the same one may run twice at once.

    Args:
        define: Defines the app's streams, outputs and agents.
        kafka: Its broker.
        group: The app's id, and so its consumer group.
        settings: The worker's.
    """
    with collecting():
        app = App(group, kafka.bootstrap, settings=settings or quick())
        define(app)
        return RunningWorker(app.worker())
