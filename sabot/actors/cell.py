"""Runs one actor on a thread of its own."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import Any, Final

from sabot.actors.actor import Actor
from sabot.actors.envelope import Envelope
from sabot.actors.mailbox import Mailbox
from sabot.actors.statistics import ActorState, ActorStatistics
from sabot.actors.supervision import Strategy, Supervision
from sabot.actors.supervisor import Supervisor, first_line
from sabot.clock import Clock, SystemClock
from sabot.errors import ActorStoppedError

__all__ = ["ThreadCell"]

logger = logging.getLogger(__name__)

_WAKE: Final = object()


@dataclass(frozen=True, slots=True)
class _Anew:
    """Begin anew: a sibling has failed."""

    error: Exception


class ThreadCell:
    """One actor, its mailbox, its thread and the answer to its failures.

    The thread is a daemon: a user function that hangs must not keep the process alive
    once the time to drain is over. What it had in hand is not done and comes again.

    Args:
        actor: The actor; belongs to this cell from now on.
        mailbox: Its mailbox; this cell is the one that takes from it.
        supervision: How its failures are answered.
        kind: What it is, for statistics; its class name by default.
        clock: What waits and times are measured by.
        on_escalation: Called on the actor's thread with the cell and the error, before
            the actor's ``stopping``, so that an actor that hangs there is heard of all
            the same. At most once per cell.
        on_restart: Called on the actor's thread before it waits for another try after a
            failure of its own.
    """

    def __init__(
        self,
        actor: Actor,
        mailbox: Mailbox,
        *,
        supervision: Supervision | None = None,
        kind: str | None = None,
        clock: Clock | None = None,
        on_escalation: Callable[[ThreadCell, BaseException], None] | None = None,
        on_restart: Callable[[ThreadCell, Exception], None] | None = None,
    ) -> None:
        self.name = actor.name
        self.kind = kind or type(actor).__name__
        self.mailbox = mailbox
        self.supervision = supervision or Supervision()
        self.failure: BaseException | None = None
        mailbox.owner = actor.name
        self._actor = actor
        self._clock: Clock = clock or SystemClock()
        self._supervisor = Supervisor(actor.name, self.supervision, self._clock)
        self._on_escalation = on_escalation
        self._on_restart = on_restart
        self._thread = threading.Thread(target=self._run, name=f"sabot-{actor.name}", daemon=True)
        self._ended = threading.Event()
        self._state = ActorState.STARTING
        self._has_started = False
        self._abandon = False
        self._due: float | None = None
        self._records_done = 0
        self._in_hand_since: float | None = None

    def start(self) -> None:
        """Start the thread; called once."""
        self._thread.start()

    def request_stop(self, *, drain: bool = True) -> None:
        """Ask the actor to stop, without waiting; may be asked again without ``drain``.

        Args:
            drain: Whether what waits in the mailbox is worked off first, retries and
                backoff included. Without it queued data is thrown away, and a message in
                hand that keeps failing is given up. A backoff is cut short either way.
        """
        if not drain:
            self._abandon = True
        self.mailbox.close(drain=drain)
        try:
            self.mailbox.signal(_WAKE)
        except ActorStoppedError:
            return

    def begin_anew(self, error: Exception) -> None:
        """Have the actor begin anew because of a sibling's failure, from any thread.

        It counts as a restart, but not against the actor's own limit.
        """
        try:
            self.mailbox.signal(_Anew(error))
        except ActorStoppedError:
            return
        self._actor.interrupt()

    def stop(self, *, drain: bool = True, timeout: float | None = None) -> bool:
        """Stop the actor and wait for it.

        Args:
            drain: See `request_stop`.
            timeout: Seconds to wait at most. When they are over, what is left is
                abandoned; the actor then stops as soon as it returns from its work.

        Returns:
            Whether it has stopped. On the actor's own thread it is False: nobody can
            wait for himself.
        """
        self.request_stop(drain=drain)
        if self.join(timeout):
            return True
        self.request_stop(drain=False)
        return self._ended.is_set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the actor has ended, and say whether it has."""
        if self.runs_on(threading.current_thread()):
            return self._ended.is_set()
        return self._clock.wait(self._ended, timeout)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of the actor runs any more."""
        return self._ended.is_set()

    def runs_on(self, thread: threading.Thread) -> bool:
        """Return whether ``thread`` is the actor's own."""
        return thread is self._thread

    def stack(self) -> str:
        """Return what its thread is doing, as lines of a traceback; empty if nothing."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else ""

    def statistics(self) -> ActorStatistics:
        """Return how the actor is; may be called from any thread."""
        since = self._in_hand_since
        state = self._state
        if state is ActorState.RUNNING and self.mailbox.is_closed:
            state = ActorState.DRAINING
        return ActorStatistics(
            name=self.name,
            kind=self.kind,
            state=state,
            depth=self.mailbox.depth,
            depth_bound=self.mailbox.bound.records,
            bytes=self.mailbox.bytes,
            bytes_bound=self.mailbox.bound.bytes,
            restarts=self._supervisor.restarts,
            last_error=self._supervisor.last_error,
            records_done=self._records_done,
            in_hand_seconds=None if since is None else self._clock.monotonic() - since,
        )

    def _run(self) -> None:
        try:
            self._start()
            while not self._abandon:
                if not self._step():
                    break
        except BaseException as error:  # noqa: BLE001 - goes to the parent
            self._fail(error)
        finally:
            self._finish()

    def _start(self) -> None:
        self._attempt(self._actor.started)
        self._has_started = True
        self._due = self._clock.monotonic()
        if self._state is ActorState.STARTING:
            self._state = ActorState.RUNNING

    def _step(self) -> bool:
        """Do one thing; return False when there will be nothing more to do."""
        wait = self._seconds_until_due()
        if wait is not None and wait <= 0 and not self.mailbox.has_control:
            self._attempt(self._tick)
            wait = self._seconds_until_due()
            if self._abandon:
                return False
        try:
            envelope = self.mailbox.take(wait)
        except Empty:
            return True
        except ActorStoppedError:
            return False
        if envelope.control:
            self._serve(envelope)
        else:
            self._deliver(envelope)
        return True

    def _seconds_until_due(self) -> float | None:
        return None if self._due is None else max(0.0, self._due - self._clock.monotonic())

    def _tick(self) -> None:
        wait = self._actor.tick()
        self._due = None if wait is None else self._clock.monotonic() + wait

    def _deliver(self, envelope: Envelope) -> None:
        self._in_hand_since = self._clock.monotonic()
        if self._attempt(self._actor.receive, envelope.message):
            self._records_done += envelope.records
        self._in_hand_since = None
        self.mailbox.settle()

    def _serve(self, envelope: Envelope) -> None:
        error = self._answer(envelope)
        if error is not None:
            self._recover(error, lambda: None)

    def _answer(self, envelope: Envelope) -> Exception | None:
        """Handle a control message; return its error if nobody else hears of it."""
        if envelope.message is _WAKE:
            return None
        reply = envelope.reply
        if isinstance(envelope.message, _Anew):
            return self._restart_with(envelope.message.error)
        if reply is not None and not reply.set_running_or_notify_cancel():
            return None
        try:
            answer = self._actor.receive_control(envelope.message)
        except Exception as error:  # noqa: BLE001 - goes to the asker or supervisor
            if reply is None:
                return error
            reply.set_exception(error)
        except BaseException as error:
            if reply is not None:
                reply.set_exception(ActorStoppedError(f"actor {self.name!r} ended by {error!r}"))
            raise
        else:
            if reply is not None:
                reply.set_result(answer)
        return None

    def _restart_with(self, error: Exception) -> Exception | None:
        self._supervisor.restarts += 1
        try:
            if self._has_started:
                self._actor.restarted(error)
        except Exception as again:  # noqa: BLE001 - goes to the supervisor
            return again
        return None

    def _attempt(self, work: Callable[..., object], *message: Any) -> bool:
        """Do some work under supervision; return whether it got done."""
        try:
            work(*message)
        except Exception as error:  # noqa: BLE001 - goes to the supervisor
            return self._recover(error, work, *message)
        self._supervisor.succeeded()
        return True

    def _recover(self, error: Exception, work: Callable[..., object], *message: Any) -> bool:
        """Back off and try again until the work is done or given up."""
        while self._is_worth_another_try(error):
            try:
                if self._has_started:
                    self._actor.restarted(error)
                work(*message)
            except Exception as again:  # noqa: BLE001 - goes to the supervisor
                error = again
            else:
                self._supervisor.succeeded()
                return True
        return False

    def _is_worth_another_try(self, error: Exception) -> bool:
        if self.mailbox.is_closed and isinstance(error, ActorStoppedError):
            # Whom it sends to has stopped, and so shall it: a shutdown is no failure.
            self._abandon = True
            return False
        decision = self._supervisor.decide(error)
        if decision.strategy is Strategy.ESCALATE:
            raise decision.error
        if decision.strategy is Strategy.STOP:
            self._abandon = True
        if decision.strategy is not Strategy.RESTART:
            return False
        if decision.counts and self._on_restart is not None:
            self._on_restart(self, error)
        self._back_off(decision.delay)
        if self._has_nothing_left():
            self._abandon = True
        return not self._abandon

    def _has_nothing_left(self) -> bool:
        """Return whether it is to stop and neither holds nor awaits a message."""
        box = self.mailbox
        return box.is_closed and self._in_hand_since is None and not (box.depth or box.has_control)

    def _back_off(self, seconds: float) -> None:
        """Wait, but serve control messages meanwhile; a request to stop ends the wait."""
        resting, self._state = self._state, ActorState.BACKING_OFF
        try:
            self._serve_control_for(seconds)
        finally:
            self._state = resting

    def _serve_control_for(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._abandon:
            try:
                envelope = self.mailbox.take_control(max(0.0, until - self._clock.monotonic()))
            except Empty:
                return
            if envelope.message is _WAKE:
                return
            error = self._answer(envelope)
            if error is None:
                continue
            # One wait is under way already; the failure counts all the same.
            decision = self._supervisor.decide(error)
            if decision.strategy is Strategy.ESCALATE:
                raise decision.error
            if decision.strategy is Strategy.STOP:
                self._abandon = True

    def _fail(self, error: BaseException) -> None:
        self._abandon = True
        self.failure = error
        # Senders that wait for room must hear of it now; stopping() may take its time.
        self.mailbox.close(drain=False)
        logger.error(
            "actor %r ended: %s",
            self.name,
            first_line(error),
            extra={"actor": self.name},
        )
        if self._on_escalation is None:
            return
        try:
            self._on_escalation(self, error)
        except Exception:
            logger.exception("the escalation of actor %r was not taken", self.name)

    def _finish(self) -> None:
        self._state = ActorState.STOPPING
        try:
            self.mailbox.close(drain=False)
            self._actor.stopping()
        except BaseException as error:
            logger.exception("actor %r failed while stopping", self.name)
            if self.failure is None:
                self._fail(error)
        finally:
            self._in_hand_since = None
            stopped = ActorStoppedError(f"actor {self.name!r} stopped before it could answer")
            for envelope in self.mailbox.end():
                envelope.refuse(stopped)
            self._state = ActorState.STOPPED if self.failure is None else ActorState.FAILED
            self._ended.set()
