"""The worker: hosts domains, and decides what becomes of their ends.

Supervision runs on a thread of its own, the users' coroutines on the loop of whoever
starts the worker: the main thread for the command line, or a host's loop.
"""

from __future__ import annotations

import asyncio
import math
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sabot.actors import (
    ActorRef,
    ActorStatistics,
    ActorSystem,
    ByteBudget,
    Supervision,
)
from sabot.errors import (
    BrokerGoneError,
    ConfigurationError,
    HandlerStuckError,
    PlanError,
    ProcessingError,
    SabotError,
    StateError,
)
from sabot.logs import get_logger
from sabot.plan.outputs import Output
from sabot.runtime.compile import DomainPlan, compile_outputs
from sabot.runtime.condition import Condition
from sabot.runtime.crash import VARIABLE, arm
from sabot.runtime.domain import Domain
from sabot.runtime.exactly_once import guarantee_of
from sabot.runtime.exit_codes import ExitCode, exit_code
from sabot.runtime.hand_watch import HandWatch
from sabot.runtime.happenings import Ended, Failed, Stop
from sabot.runtime.lane import Lane
from sabot.runtime.lookout import Lookout
from sabot.runtime.loop_watch import LoopWatch
from sabot.runtime.observed import actor_statistics
from sabot.runtime.overrun import Overrun
from sabot.runtime.place import Place, take_place
from sabot.runtime.restarts import Restarts
from sabot.runtime.settings import WorkerSettings, tune_process
from sabot.runtime.signals import handle_signals
from sabot.runtime.statistics import PipelineStatistics, WorkerStatistics
from sabot.runtime.supervising import stopping_along, stops_alone, supervision_of
from sabot.runtime.tasks import TaskGroup
from sabot.runtime.user_actor import UserActor
from sabot.runtime.userloop import UserLoop
from sabot.runtime.watchdog import Watchdog
from sabot.web import WebServer, probe_pages

__all__ = ["Worker", "WorkerSettings"]

_SALVAGE_SECONDS = 10.0
_LATE_SECONDS = 3.0
"""How long a domain may take to close where a handler is stuck."""

Task = Callable[[], Awaitable[Any] | Any]

_AFTER_DRAIN_SECONDS = 4.0
"""What a stop may take beyond the drain time-out, so that 5 s are enough for the process."""

_CLOSE_SECONDS = 2.0
"""How much of that clients get to close."""


class Worker:
    """Runs outputs until it is stopped, all of them end, or one fails.

    Args:
        outputs: What to run; outputs that read with one group share a consumer.
        name: Names clients, dead letters and logs: the app's id.
        tasks: Functions to run beside the pipelines; coroutine functions on the user
            loop, others on a thread each.
        actors: The users' own actors; started before what may send to them.
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
        actors: Sequence[UserActor] = (),
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
        self._actors = list(actors)
        self._supervision = self._settings.supervision or Supervision()
        for plan in self._plans:
            for pipeline in plan.pipelines:
                supervision_of(pipeline, self._supervision)  # wrong here or nowhere
        self._guarantee = guarantee_of(self._plans, self._settings.processing_guarantee)
        self._loop = UserLoop()
        self._system = ActorSystem(group=self._supervision.group)
        self._budget = ByteBudget(self._settings.mailbox_bytes)
        self._place: Place | None = None
        self._loop_watch = LoopWatch(self._loop, self._settings.blocked_loop_seconds or math.inf)
        self._lookout = self._make_lookout()
        self._tasks = TaskGroup(tasks, self._loop, self._task_failed)
        self._events: queue.SimpleQueue[Ended | Failed | Stop] = queue.SimpleQueue()
        self._domains: dict[int, Domain] = {}
        self._watchdogs = {id(plan): Watchdog(self._settings) for plan in self._plans}
        self._restarts = Restarts(self._settings, self._watchdogs)
        self._overrun: Overrun | None = None
        self._state = "new"
        self._started_at = 0.0
        self._code: int | None = None
        self._done = threading.Event()
        self._supervisor: threading.Thread | None = None
        self._web: WebServer | None = None
        self._log = get_logger("sabot.worker").bind(app=name)
        self._system.on_escalation(self._escalated)

    def _make_lookout(self) -> Lookout:
        def lanes() -> list[Lane]:
            return [lane for domain in list(self._domains.values()) for lane in domain.lanes]

        hands = HandWatch(lanes, self._escalated)
        every = min(1.0, (self._settings.blocked_loop_seconds or math.inf) / 4)
        return Lookout([self._loop_watch.look, hands.look], every=every)

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
            seconds = self._settings.drain_timeout_seconds + _AFTER_DRAIN_SECONDS
            with Overrun(seconds) as self._overrun, handle_signals(self.request_stop):
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
        self._web = self._serve_web()
        self._supervisor = threading.Thread(
            target=self._supervise, name=f"sabot-worker-{self.name}", daemon=True
        )
        self._supervisor.start()

    def _serve_web(self) -> WebServer | None:
        port = self._settings.web_port
        if port is None:
            return None
        pages = probe_pages(health=self.health, ready=self.readiness, statistics=self.statistics)
        server = WebServer(pages, host=self._settings.web_host, port=port).start()
        self._log.info("probes are answered", host=self._settings.web_host, port=server.port)
        return server

    @property
    def web_port(self) -> int | None:
        """Where probes are answered, if they are."""
        return None if self._web is None else self._web.port

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
        self._must_end(int(ExitCode.DRAIN))
        self._events.put(Stop(reason))

    def _must_end(self, code: int) -> None:
        """From now on the process may take only so long, where it is the worker's own."""
        if self._overrun is not None:
            self._overrun.begin(code)

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
            if self._web is not None:
                self._web.stop()
            self._done.set()

    def _host(self) -> int:
        self._lookout.start()
        for actor in self._actors:
            actor.spawn(self._system, self._loop, budget=self._budget, default=self._supervision)
        try:
            self._place = take_place(
                self.name,
                self._settings,
                stateful=any(plan.stateful for plan in self._plans),
                guarantee=self._guarantee,
            )
        except StateError as error:
            return self._finish_failed(error)
        for plan in self._plans:
            failed = self._begin(plan)
            if failed is not None:
                return self._finish_failed(failed)
        self._tasks.start()
        if self._state == "starting":
            self._state = "running"
        code: int | None = None
        while code is None:
            code = self._handle(self._events.get())
        return code

    def _handle(self, event: Ended | Failed | Stop) -> int | None:
        """Act on what has happened; return an exit code to end the worker."""
        if isinstance(event, Stop):
            self._log.info("stopping", reason=event.reason)
            return self._drain()
        if isinstance(event, Failed):
            if event.ends:
                return self._finish_failed(event.error)
            self.failure = self.failure or event.error
            return None
        if self._domains.get(id(event.domain.plan)) is not event.domain:
            return None
        return self._domain_ended(event)

    def _begin(self, plan: DomainPlan) -> BaseException | None:
        """Start a domain; return why it cannot be started."""
        assert self._place is not None
        try:
            domain = Domain(
                plan,
                application=self.name,
                system=self._system,
                loop=self._loop,
                budget=self._budget,
                directory=self._place.directory,
                settings=self._settings,
                watchdog=self._watchdogs[id(plan)],
                guarantee=self._guarantee,
                slot=self._place.slot,
                on_end=lambda ended, error: self._events.put(Ended(ended, error)),
            )
            self._domains[id(plan)] = domain
            domain.start()
        except Exception as error:
            return error
        return None

    def _domain_ended(self, event: Ended) -> int | None:
        """Decide about a domain that ended; return an exit code to end the worker."""
        plan, error = event.domain.plan, event.error
        if error is None:
            complete = event.domain.drain(self._settings.drain_timeout_seconds)
            event.domain.close()
            del self._domains[id(plan)]
            if not complete:
                return self._finish_failed(self._system_failure() or _unfinished(plan))
            return self._drain() if not self._domains else None
        if event.stopped:
            return self._stop_domains(event)
        if not self._restarts.allow(id(plan), error, has_run=event.domain.has_run):
            has_run = event.domain.has_run
            cause = self._restarts.cause(id(plan), plan.name, error, has_run=has_run)
            return self._finish_failed(cause)
        event.domain.close()
        delay = self._restarts.delay(id(plan))
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
            self._events.put(Ended(self._domains[id(plan)], again))
        return None

    def _stop_domains(self, event: Ended) -> int | None:
        """End a domain, and those its group takes along; what is left goes on.

        The worker's exit code says later that there was a failure.
        """
        assert event.error is not None
        first = event.domain
        plans = [id(plan) for plan in self._plans if id(plan) in self._domains]
        chosen = stopping_along(self._supervision, plans, id(first.plan))
        if chosen.issuperset(plans):
            return self._finish_failed(event.error)
        self.failure = self.failure or event.error
        for plan in reversed([plan for plan in plans if plan in chosen]):
            domain = self._domains.pop(plan)
            domain.salvage()
            domain.close()
            self._log.error(
                "domain stopped; the worker goes on without it",
                group=domain.name,
                error=_text(event.error),
            )
        return None

    def _stop_within(self, seconds: float) -> Stop | None:
        deadline = time.monotonic() + seconds
        kept: list[Any] = []
        found: Stop | None = None
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(event, Stop):
                found = event
                break
            kept.append(event)
        for event in kept:
            self._events.put(event)
        return found

    def _escalated(self, ref: ActorRef, error: BaseException) -> None:
        for domain in list(self._domains.values()):
            for lane in domain.lanes:
                if lane.ref is ref or lane.name == ref.name:
                    stopped = stops_alone(lane.supervision, error)
                    self._events.put(Ended(domain, error, stopped))
                    return
        own = next((actor for actor in self._actors if actor.name == ref.name), None)
        ends = own is None or not stops_alone(own.supervision or self._supervision, error)
        self._events.put(Failed(error, ends))

    def _task_failed(self, error: BaseException) -> None:
        self._events.put(Failed(error))

    # --- ending ---------------------------------------------------------------------

    def _drain(self) -> int:
        self._state = "stopping"
        self._tasks.stop()
        deadline = time.monotonic() + self._settings.drain_timeout_seconds
        complete = True
        for domain in list(self._domains.values()):
            complete &= domain.drain(max(0.5, deadline - time.monotonic()))
        left = max(_CLOSE_SECONDS, deadline + _CLOSE_SECONDS - time.monotonic())
        self._close_all(left, drain=deadline)
        failure = self.failure or next((a.failure for a in self._actors if a.failure), None)
        if failure is None and not complete:
            failure = self._system_failure()
        if failure is not None:
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
        self._must_end(int(exit_code(error)))
        self._log.error("cannot go on", error=_text(error))
        self._tasks.stop()
        seconds = _SALVAGE_SECONDS
        if isinstance(error, BrokerGoneError):
            seconds = _CLOSE_SECONDS
        elif isinstance(error, HandlerStuckError):
            seconds = _LATE_SECONDS
        for domain in list(self._domains.values()):
            # A broker that is gone takes no commit.
            if domain.has_run and not isinstance(error, BrokerGoneError):
                domain.salvage(seconds)
        self._close_all(seconds)
        return exit_code(error)

    def _close_all(self, timeout: float, *, drain: float = 0.0) -> None:
        """Close the domains, then the actors that they may have told something.

        Args:
            timeout: Seconds for each domain.
            drain: Until when, by the monotonic clock, those may work off what waits.
        """
        for domain in reversed(list(self._domains.values())):
            domain.close(timeout)
        for actor in self._actors:
            actor.stop(max(0.0, drain - time.monotonic()))
        # Those of the domains had their time; there are no others.
        self._system.stop(0.5, drain=False)
        self._lookout.stop()
        if self._place is not None:
            self._place.release()

    # --- seen from outside ----------------------------------------------------------

    def health(self) -> Condition:
        """Return whether the threads that poll go on polling; may be called from any thread.

        Where the broker is silent they may be waiting for it: that is for
        `broker_timeout_seconds` to judge, and no restart helps before.
        """
        now, most = time.monotonic(), self._settings.health_seconds
        ill = [
            f"{domain.name} has not polled for {domain.polled_seconds_ago(now):.0f} s"
            for domain in list(self._domains.values())
            if domain.polled_seconds_ago(now) > most and domain.watchdog.silent_for(now) is None
        ]
        return Condition.of(["stopped"] if self._state == "stopped" else ill)

    def readiness(self) -> Condition:
        """Return whether all domains read and get on; may be called from any thread."""
        if self._state != "running":
            return Condition.of([self._state])
        now, reasons = time.monotonic(), []
        for domain in list(self._domains.values()):
            reasons += [f"{domain.name}: {reason}" for reason in domain.unready(now)]
        return Condition.of(reasons)

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
            self.name,
            self._state,
            seconds,
            tuple(pipelines),
            committed,
            checkpoints,
            sum(watchdog.findings for watchdog in self._watchdogs.values()),
            mailbox_bytes=self._budget.used,
            mailbox_bytes_bound=self._budget.total,
            loop_blocked_seconds=self._loop_watch.blocked_seconds,
        )

    def actors(self) -> tuple[ActorStatistics, ...]:
        """Return how each actor is, in order of start; may be called from any thread."""
        lanes = [lane for domain in list(self._domains.values()) for lane in domain.lanes]
        seen = {lane.name: actor_statistics(lane) for lane in lanes}
        return tuple(seen.get(each.name, each) for each in self._system.statistics())


def _text(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _unfinished(plan: DomainPlan) -> SabotError:
    return ProcessingError(
        f"the sources of {plan.name!r} ended, but not all rows were finished", step=plan.name
    )
