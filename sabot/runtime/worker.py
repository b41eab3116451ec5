"""The worker: hosts domains, and decides what becomes of their ends.

Supervision runs on a thread of its own, the users' coroutines on the loop of whoever
starts the worker: the main thread for the command line, or a host's loop.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sabot.actors import ActorRef, ActorSystem, RestartWindow
from sabot.errors import (
    BrokerError,
    ConfigurationError,
    DeliveryError,
    PartitionLostError,
    PlanError,
    ProcessingError,
    ProducerFencedError,
    RestartLimitError,
    SabotError,
)
from sabot.logs import get_logger
from sabot.plan.outputs import Output
from sabot.runtime.compile import DomainPlan, compile_outputs
from sabot.runtime.crash import VARIABLE, arm
from sabot.runtime.domain import Domain
from sabot.runtime.exactly_once import guarantee_of
from sabot.runtime.exit_codes import ExitCode, exit_code
from sabot.runtime.settings import WorkerSettings, tune_process
from sabot.runtime.signals import handle_signals
from sabot.runtime.statistics import PipelineStatistics, WorkerStatistics
from sabot.runtime.tasks import TaskGroup
from sabot.runtime.userloop import UserLoop

__all__ = ["Worker", "WorkerSettings", "run_outputs"]

Task = Callable[[], Awaitable[Any] | Any]

_MENDED = (DeliveryError, PartitionLostError, ProducerFencedError)
"""What does not pass by itself, and is mended by beginning again from the last commit."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A domain has ended."""

    domain: Domain
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """Something else has failed for good."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class _Stop:
    """Somebody asked for a stop."""

    reason: str


class Worker:
    """Runs outputs until it is stopped, all of them end, or one fails.

    Args:
        outputs: What to run; outputs that read with one group share a consumer.
        name: Names clients, dead letters and logs: the app's id.
        tasks: Functions to run beside the pipelines; coroutine functions on the user
            loop, others on a thread each.
        settings: How to behave.

    Raises:
        PlanError, ConfigurationError: If the outputs do not go together.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        *,
        name: str,
        tasks: Sequence[Task] = (),
        settings: WorkerSettings | None = None,
    ) -> None:
        if not outputs and not tasks:
            raise PlanError(
                "there is nothing to run: no output was defined; end a stream with "
                "to_kafka(...) or for_each(...)"
            )
        self.name = name
        self.failure: BaseException | None = None
        self._outputs = list(outputs)
        self._settings = settings or WorkerSettings()
        arm(os.environ.get(VARIABLE))
        self._plans = compile_outputs(self._outputs)
        self._guarantee = guarantee_of(self._plans, self._settings.processing_guarantee)
        self._loop = UserLoop()
        self._system = ActorSystem()
        self._tasks = TaskGroup(tasks, self._loop, self._task_failed)
        self._events: queue.SimpleQueue[_Ended | _Failed | _Stop] = queue.SimpleQueue()
        self._domains: dict[int, Domain] = {}
        self._windows: dict[int, RestartWindow] = {}
        self._attempts: dict[int, int] = {}
        self._state = "new"
        self._started_at = 0.0
        self._code: int | None = None
        self._done = threading.Event()
        self._supervisor: threading.Thread | None = None
        self._log = get_logger("sabot.worker").bind(app=name)
        self._system.on_escalation(self._escalated)

    # --- running --------------------------------------------------------------------

    def run(self) -> int:
        """Run on the main thread until the end; return the exit code.

        SIGINT and SIGTERM drain; a second one ends the process at once.

        Raises:
            ConfigurationError: Inside a running event loop: use ``await start()`` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigurationError(
                "a worker cannot take over a thread whose event loop is running; use "
                "'await app.start()' and 'await app.stop()' instead"
            )
        if self._settings.tune_process:
            tune_process()
        if threading.current_thread() is threading.main_thread():
            with handle_signals(self.request_stop):
                asyncio.run(self._run_here())
        else:
            asyncio.run(self._run_here())
        return self._code if self._code is not None else int(ExitCode.FAILED)

    async def _run_here(self) -> None:
        await self.start()
        await self.wait()

    async def start(self) -> None:
        """Begin to run, with users' coroutines on the running loop; touches no signals."""
        if self._state != "new":
            raise PlanError(f"worker {self.name!r} was started already; make a new one")
        self._loop.attach(asyncio.get_running_loop())
        self._state = "starting"
        self._started_at = time.monotonic()
        for output in self._outputs:
            output.started = True
        self._supervisor = threading.Thread(
            target=self._supervise, name=f"sabot-worker-{self.name}", daemon=True
        )
        self._supervisor.start()

    async def wait(self) -> int:
        """Wait until the worker has ended; return the exit code."""
        await asyncio.to_thread(self._done.wait)
        self._loop.detach()
        return self._code if self._code is not None else int(ExitCode.FAILED)

    async def stop(self) -> int:
        """Drain and end; return the exit code. Stopping twice is fine."""
        if self._state == "new":
            return int(ExitCode.OK)
        self.request_stop("stop()")
        return await self.wait()

    def request_stop(self, reason: str) -> None:
        """Ask for a drain, from any thread."""
        self._events.put(_Stop(reason))

    # --- supervision ----------------------------------------------------------------

    def _supervise(self) -> None:
        try:
            self._code = int(self._host())
        except BaseException as error:
            self.failure = self.failure or error
            self._log.error("the worker failed", exc_info=error)
            self._code = int(ExitCode.FAILED)
        finally:
            self._state = "stopped"
            self._done.set()

    def _host(self) -> int:
        for plan in self._plans:
            error = self._begin(plan)
            if error is not None:
                return self._finish_failed(error)
        self._tasks.start()
        if self._state == "starting":
            self._state = "running"
        while True:
            event = self._events.get()
            if isinstance(event, _Stop):
                self._log.info("stopping", reason=event.reason)
                return self._drain()
            if isinstance(event, _Failed):
                return self._finish_failed(event.error)
            if self._domains.get(id(event.domain.plan)) is not event.domain:
                continue
            code = self._domain_ended(event)
            if code is not None:
                return code

    def _begin(self, plan: DomainPlan) -> BaseException | None:
        """Start a domain; return why it cannot be started."""
        domain: Domain | None = None
        try:
            domain = Domain(
                plan,
                application=self.name,
                system=self._system,
                loop=self._loop,
                guarantee=self._guarantee,
                slot=self._settings.slot,
                on_end=lambda ended, error: self._events.put(_Ended(ended, error)),
            )
            self._domains[id(plan)] = domain
            domain.start()
        except Exception as error:
            return error
        return None

    def _domain_ended(self, event: _Ended) -> int | None:
        """Decide about a domain that ended; return an exit code to end the worker."""
        plan, error = event.domain.plan, event.error
        if error is None:
            complete = event.domain.drain(self._settings.drain_timeout_seconds)
            event.domain.close()
            del self._domains[id(plan)]
            if not complete:
                return self._finish_failed(self._system_failure() or _unfinished(plan))
            return self._drain() if not self._domains else None
        if not self._may_begin_again(plan, error):
            return self._finish_failed(self._cause(plan, error))
        event.domain.close()
        attempt = self._attempts[id(plan)] = self._attempts.get(id(plan), -1) + 1
        delay = self._settings.restart_backoff.delay(attempt)
        self._log.warning(
            "domain begins again from its last commit",
            group=plan.name,
            error=_text(error),
            seconds=round(delay, 1),
        )
        stop = self._stop_within(delay)
        if stop is not None:
            return self._drain()
        again = self._begin(plan)
        if again is not None:
            self._events.put(_Ended(self._domains[id(plan)], again))
        return None

    def _may_begin_again(self, plan: DomainPlan, error: BaseException) -> bool:
        """Whether an error is the broker's and the limit of restarts is not reached."""
        if not isinstance(error, BrokerError) or not self._was_running(plan):
            return False
        if not (error.retriable or isinstance(error, _MENDED)):
            return False
        window = self._windows.setdefault(id(plan), RestartWindow(self._settings.restart_limit))
        return window.note(time.monotonic(), error)

    def _was_running(self, plan: DomainPlan) -> bool:
        """Whether the domain ever worked: what is wrong from the start is not retried."""
        return id(plan) in self._attempts or bool(self._domains[id(plan)].has_run)

    def _cause(self, plan: DomainPlan, error: BaseException) -> BaseException:
        window = self._windows.get(id(plan))
        if window is None or window.first_cause is None or window.failures < 2:
            return error
        limit = RestartLimitError(
            f"group {plan.name!r} had to begin again {window.failures - 1} times; first cause: "
            f"{_text(window.first_cause)}"
        )
        limit.__cause__ = window.first_cause
        return limit

    def _stop_within(self, seconds: float) -> _Stop | None:
        deadline = time.monotonic() + seconds
        kept: list[Any] = []
        found: _Stop | None = None
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(event, _Stop):
                found = event
                break
            kept.append(event)
        for event in kept:
            self._events.put(event)
        return found

    def _escalated(self, ref: ActorRef, error: BaseException) -> None:
        for domain in list(self._domains.values()):
            if any(lane.ref is ref or lane.name == ref.name for lane in domain.lanes):
                self._events.put(_Ended(domain, error))
                return
        self._events.put(_Failed(error))

    def _task_failed(self, error: BaseException) -> None:
        self._events.put(_Failed(error))

    # --- ending ---------------------------------------------------------------------

    def _drain(self) -> int:
        self._state = "stopping"
        self._tasks.stop()
        deadline = time.monotonic() + self._settings.drain_timeout_seconds
        complete = True
        for domain in list(self._domains.values()):
            complete &= domain.drain(max(0.5, deadline - time.monotonic()))
        self._close_all()
        failure = self._system_failure()
        if failure is not None and not complete:
            return self._finish_failed(failure)
        if not complete:
            self._log.error(
                "stopped with records in hand; they are not committed and will be read again",
                drain_timeout_seconds=self._settings.drain_timeout_seconds,
            )
            return int(ExitCode.DRAIN)
        self._log.info("stopped")
        return int(ExitCode.OK)

    def _system_failure(self) -> BaseException | None:
        failed = self._system.first_failure
        return failed[1] if failed is not None else None

    def _finish_failed(self, error: BaseException) -> int:
        """End everything because of an error, committing what others had finished."""
        self._state = "stopping"
        self.failure = self.failure or error
        self._log.error("cannot go on", error=_text(error))
        self._tasks.stop()
        for domain in list(self._domains.values()):
            if domain.has_run:
                domain.salvage()
        self._close_all()
        return exit_code(error)

    def _close_all(self) -> None:
        for domain in reversed(list(self._domains.values())):
            domain.close()
        self._system.stop(5.0, drain=False)

    # --- seen from outside ----------------------------------------------------------

    def statistics(self) -> WorkerStatistics:
        """Return how the worker is; may be called from any thread."""
        pipelines: list[PipelineStatistics] = []
        committed: dict[str, int] = {}
        checkpoints = 0
        for domain in list(self._domains.values()):
            pipelines += domain.statistics()
            committed |= {str(tp): offset for tp, offset in domain.checkpoint.committed.items()}
            checkpoints += domain.checkpoint.count
        seconds = time.monotonic() - self._started_at if self._started_at else 0.0
        return WorkerStatistics(
            self.name, self._state, seconds, tuple(pipelines), committed, checkpoints
        )


def _text(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _unfinished(plan: DomainPlan) -> SabotError:
    return ProcessingError(
        f"the sources of {plan.name!r} ended, but not all rows were finished", step=plan.name
    )


def run_outputs(
    outputs: Sequence[Output], *, siblings: Sequence[Output] = (), name: str | None = None
) -> None:
    """Run outputs, and those siblings that read with the same consumer group.

    Raises:
        SabotError: The first cause, if the run fails.
    """
    wanted = {id(output): output for output in outputs}
    keys = {plan.key for plan in compile_outputs(list(outputs))}
    for sibling in siblings:
        if sibling.started or id(sibling) in wanted:
            continue
        if {plan.key for plan in compile_outputs([sibling])} & keys:
            wanted[id(sibling)] = sibling
    chosen = list(wanted.values())
    worker = Worker(chosen, name=name or compile_outputs(chosen)[0].name)
    worker.run()
    if worker.failure is not None:
        raise worker.failure
