"""Several worker processes under one: started, watched, started again, stopped together."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sabot.actors import RestartWindow
from sabot.errors import SabotError
from sabot.logs import get_logger
from sabot.runtime.child import Child
from sabot.runtime.condition import Condition
from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.signals import handle_signals

__all__ = ["WorkerPool"]

_HOPELESS = (ExitCode.USAGE, ExitCode.LOAD)
_AFTER_DRAIN_SECONDS = 5.0
_SILENT_SECONDS = 15.0
_READABLE = {int(code): code.name for code in ExitCode}


@dataclass(slots=True)
class _Place:
    """A number that has a process, or is about to have one."""

    window: RestartWindow
    child: Child | None = None
    due: float | None = None
    attempt: int = 0
    first_code: int | None = None


class WorkerPool:
    """Keeps a number of worker processes alive until it is told to stop.

    A process that dies is started again after a growing wait. One that dies more often
    than `WorkerSettings.restart_limit` allows ends all, as does one that no restart can
    help (exit codes 2 and 3). One that ends with 0 has come to the end of its sources.

    Args:
        command: Returns the command line of a worker, by its number from 1.
        count: How many.
        settings: The workers'; of these the drain time-out, the backoff and the limit.
        environment: Variables for all of them.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        *,
        settings: WorkerSettings,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._settings = settings
        self._environment = dict(environment or {})
        self._places = {
            number: _Place(RestartWindow(settings.restart_limit)) for number in range(1, count + 1)
        }
        self._events: queue.SimpleQueue[Child | str] = queue.SimpleQueue()
        self._state = "starting"
        self._log = get_logger("sabot.pool")

    def run(self) -> int:
        """Run on the main thread until all have ended; return the exit code.

        SIGINT and SIGTERM drain them all; a second one ends them at once.
        """
        with handle_signals(self.request_stop, on_second=self.kill):
            for number in self._places:
                self._start(number)
            self._state = "running"
            try:
                code = self._supervise()
            finally:
                self._end_all()
        return code

    def request_stop(self, reason: str) -> None:
        """Ask for a drain of all, from any thread."""
        self._events.put(reason)

    def kill(self) -> None:
        """End all at once, from any thread."""
        for child in self._children():
            child.kill()

    # --- supervision ----------------------------------------------------------------

    def _supervise(self) -> int:
        while True:
            event = self._next_event()
            if isinstance(event, str):
                self._log.info("stopping all workers", reason=event)
                return self._drain(int(ExitCode.OK))
            if event is not None:
                code = self._ended(event)
                if code is not None:
                    return self._drain(code)
            self._start_what_is_due()

    def _next_event(self) -> Child | str | None:
        due = [place.due for place in self._places.values() if place.due is not None]
        try:
            if not due:
                return self._events.get()
            return self._events.get(timeout=max(0.0, min(due) - time.monotonic()))
        except queue.Empty:
            return None

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for number, place in self._places.items():
            if place.due is not None and place.due <= now:
                place.due = None
                self._start(number)

    def _start(self, number: int) -> None:
        child = Child(number, self._command(number), self._environment, self._events.put)
        self._places[number].child = child
        self._log.info("worker started", number=number, pid=child.pid)

    def _ended(self, child: Child) -> int | None:
        """Decide about a worker that ended; return an exit code to end all."""
        place, code = self._places[child.number], child.code or 0
        place.child = None
        if code == ExitCode.OK:
            self._log.info("worker has come to its end", number=child.number)
            over = not self._children() and all(p.due is None for p in self._places.values())
            return int(ExitCode.OK) if over else None
        cause = child.failure or _in_words(code)
        if code in _HOPELESS:
            self._log.error("worker cannot run", number=child.number, code=code, cause=cause)
            return code
        now = time.monotonic()
        place.window.settle(now)
        if not place.window.failures:
            place.attempt, place.first_code = 0, code
        if not place.window.note(now, SabotError(cause)):
            self._log.error(
                "worker has died too often",
                number=child.number,
                times=place.window.failures,
                first_cause=str(place.window.first_cause),
            )
            return _own_code(place.first_code or code)
        delay = self._settings.restart_backoff.delay(place.attempt)
        place.attempt += 1
        place.due = now + delay
        self._log.warning(
            "worker has died and is started again",
            number=child.number,
            cause=cause,
            seconds=round(delay, 1),
        )
        return None

    def _drain(self, code: int) -> int:
        """Stop all; return ``code``, or that of the first that did not end well."""
        self._state = "stopping"
        children = self._children()
        for child in children:
            child.terminate()
        most = self._settings.drain_timeout_seconds + _AFTER_DRAIN_SECONDS
        deadline = time.monotonic() + most
        for child in children:
            if not child.join(max(0.1, deadline - time.monotonic())):
                self._log.error("worker did not end in time", number=child.number, seconds=most)
                child.kill()
                child.join(_AFTER_DRAIN_SECONDS)
                code = code or int(ExitCode.DRAIN)
            code = code or _own_code(child.code or 0)
        self._log.info("all workers have stopped")
        return code

    def _end_all(self) -> None:
        """Leave no process behind, whatever went wrong here."""
        self.kill()
        for child in self._children():
            child.join(_AFTER_DRAIN_SECONDS)
        self._state = "stopped"

    def _children(self) -> list[Child]:
        return [place.child for place in self._places.values() if place.child is not None]

    # --- seen from outside ----------------------------------------------------------

    def health(self) -> Condition:
        """Return whether every worker that runs is well, and says so."""
        return Condition.of(self._complaints("health"))

    def readiness(self) -> Condition:
        """Return whether every worker is ready."""
        if self._state != "running":
            return Condition.of([self._state])
        waits = [
            f"worker {number}: is started again"
            for number, place in self._places.items()
            if place.due is not None
        ]
        return Condition.of(waits + self._complaints("ready"))

    def statistics(self) -> dict[str, object]:
        """Return what the workers said last, by their numbers."""
        return {
            "state": self._state,
            "workers": {
                str(child.number): {
                    "pid": child.pid,
                    "statistics": child.report and child.report.statistics,
                }
                for child in self._children()
            },
        }

    def _complaints(self, kind: str) -> list[str]:
        found: list[str] = []
        for child in self._children():
            silent = time.monotonic() - child.heard_at
            if child.report is None and kind == "ready":
                found.append(f"worker {child.number}: starting")
            elif silent > _SILENT_SECONDS and self._is_overdue(kind, child, silent):
                found.append(f"worker {child.number}: silent for {silent:.0f} s")
            elif child.report is not None:
                answer: Condition = getattr(child.report, kind)
                found += [f"worker {child.number}: {reason}" for reason in answer.reasons]
        return found

    def _is_overdue(self, kind: str, child: Child, silent: float) -> bool:
        """Whether silence is a complaint: one that imports slowly is only not ready."""
        if kind == "ready":
            return True
        return child.report is not None or silent > self._settings.health_seconds


def _in_words(code: int) -> str:
    if code < 0:
        return f"ended by signal {-code}"
    return f"ended with code {code} ({_READABLE.get(code, 'its own')})"


def _own_code(code: int) -> int:
    """Return the exit code that tells of a worker's: a signal is no code."""
    return int(ExitCode.FAILED) if code < 0 else code
