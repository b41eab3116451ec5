"""Judges the failures of one actor."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from sabot.actors.supervision import RestartWindow, Strategy, Supervision
from sabot.clock import Clock
from sabot.errors import RestartLimitError

__all__ = ["Decision", "Supervisor", "first_line"]

logger = logging.getLogger(__name__)


def first_line(error: BaseException) -> str:
    r"""Return class and first line of an error, for a line in the log.

    Example:
        >>> first_line(ValueError("bad row\nand a page of detail"))
        'ValueError: bad row'
        >>> first_line(KeyError())
        'KeyError'
    """
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens after a failure.

    Attributes:
        strategy: What to do.
        error: The error to escalate, where the strategy is that.
        delay: Seconds to wait, where the strategy is a restart.
        counts: Whether it is a failure of the actor's own, and not one that only needs
            time.
    """

    strategy: Strategy
    error: Exception
    delay: float = 0.0
    counts: bool = True


class Supervisor:
    """Counts one actor's failures and decides about each; used by the actor's thread only.

    Two streaks are kept apart. Failures that count are limited by number within a window
    that success does not empty, or a message that fails now and then would never be
    noticed. Transient failures are limited by the time since the last success.

    Args:
        name: The actor's name.
        supervision: The settings.
        clock: What time is taken from.
    """

    def __init__(self, name: str, supervision: Supervision, clock: Clock) -> None:
        self.restarts = 0
        self.last_error: str | None = None
        self._name = name
        self._settings = supervision
        self._clock = clock
        self._window = RestartWindow(supervision.limit)
        self._attempt = 0
        self._transient_since: float | None = None
        self._transient_cause: Exception | None = None

    def decide(self, error: Exception) -> Decision:
        """Decide about a failure, and log it."""
        repeated = self._attempt > 0 and self.last_error == first_line(error)
        self.last_error = first_line(error)
        if self._settings.transient(error):
            decision = self._decide_transient(error)
        elif (strategy := self._settings.answer(error)) is Strategy.RESTART:
            decision = self._count(error)
        else:
            decision = Decision(strategy, error)
        self._log(error, decision, with_traceback=not repeated)
        return decision

    def succeeded(self) -> None:
        """Note that the actor has finished something: waits start small again."""
        if self._attempt:
            self._attempt = 0
            self._transient_since = self._transient_cause = None
        if self._window.first_cause is not None:
            self._window.settle(self._clock.monotonic())

    def _decide_transient(self, error: Exception) -> Decision:
        now = self._clock.monotonic()
        if self._transient_since is None:
            self._transient_since, self._transient_cause = now, error
        longest = self._settings.max_transient_seconds
        lasted = now - self._transient_since
        if longest is None or lasted < longest:
            return replace(self._restart(error), counts=False)
        cause = self._transient_cause or error
        return self._give_up(
            f"actor {self._name!r} had no success for {lasted:.0f} s (at most {longest:g} s); "
            f"first cause: {first_line(cause)}",
            cause,
        )

    def _count(self, error: Exception) -> Decision:
        if self._window.note(self._clock.monotonic(), error):
            return self._restart(error)
        cause = self._window.first_cause or error
        return self._give_up(
            f"actor {self._name!r} failed {self._window.failures} times within "
            f"{self._settings.limit.window_seconds:g} s; first cause: {first_line(cause)}",
            cause,
        )

    def _restart(self, error: Exception) -> Decision:
        delay = self._settings.backoff.delay(self._attempt)
        self._attempt += 1
        self.restarts += 1
        return Decision(Strategy.RESTART, error, delay)

    def _give_up(self, message: str, cause: Exception) -> Decision:
        failure = RestartLimitError(message)
        failure.__cause__ = cause
        return Decision(Strategy.ESCALATE, failure)

    def _log(self, error: Exception, decision: Decision, *, with_traceback: bool) -> None:
        what = {
            Strategy.RESTART: f"next try in {decision.delay:.1f} s",
            Strategy.STOP: "it stops",
            Strategy.ESCALATE: "it stops and its parent decides",
            Strategy.RESUME: "its message is given up",
        }[decision.strategy]
        logger.warning(
            "actor %r failed (failure %d in a row): %s; %s",
            self._name,
            max(self._attempt, 1),
            first_line(error),
            what,
            # The same failure again has the same traceback: once is enough.
            exc_info=error if with_traceback else None,
            extra={"actor": self._name, "strategy": decision.strategy.value},
        )
