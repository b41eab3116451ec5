"""How failures of an actor are answered: the settings, and the counting."""

from __future__ import annotations

import random as randomness
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sabot.actors.group import Group
from sabot.errors import (
    ConfigurationError,
    FunctionResultError,
    HandlerStuckError,
    InternalError,
    PlanError,
)

__all__ = [
    "Backoff",
    "RestartLimit",
    "RestartWindow",
    "Strategy",
    "Supervision",
    "is_transient",
    "strategy_for",
]


_HOPELESS = (
    ConfigurationError,
    FunctionResultError,
    HandlerStuckError,
    InternalError,
    PlanError,
)
"""What is the same the next time, whatever a strategy says."""


class Strategy(Enum):
    """What to do with an actor that failed."""

    RESTART = "restart"
    """Back off, then give the same message again."""
    STOP = "stop"
    """Stop this actor and nothing else; its message in hand is not done."""
    ESCALATE = "escalate"
    """Stop this actor and let its parent decide; at the root the process ends."""
    RESUME = "resume"
    """Go on with the next message. A record is gone: only where a policy says so."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt: growing, bounded, not in step with others.

    Attributes:
        min_seconds: The first wait.
        max_seconds: The longest wait.
        factor: What each wait is multiplied by to get the next.
        jitter: The share by which a wait is lengthened or shortened at random.

    Raises:
        ConfigurationError: If the values do not describe a wait that grows.

    Example:
        >>> backoff = Backoff(jitter=0)
        >>> [backoff.delay(attempt) for attempt in (0, 1, 2, 99)]
        [0.5, 1.0, 2.0, 30.0]
    """

    min_seconds: float = 0.5
    max_seconds: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.min_seconds <= self.max_seconds:
            raise ConfigurationError(
                f"a backoff needs 0 <= min_seconds <= max_seconds, "
                f"not {self.min_seconds!r} and {self.max_seconds!r}"
            )
        if self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ConfigurationError(
                f"a backoff needs factor >= 1 and jitter from 0 to 1, "
                f"not {self.factor!r} and {self.jitter!r}"
            )

    def delay(self, attempt: int, random: randomness.Random | None = None) -> float:
        """Return seconds to wait after failure number ``attempt``, the first being 0."""
        try:
            wait = self.min_seconds * self.factor**attempt
        except OverflowError:
            wait = self.max_seconds
        if self.jitter:
            sway = (random or randomness).uniform(-self.jitter, self.jitter)
            wait = min(wait, self.max_seconds) * (1 + sway)
        return min(wait, self.max_seconds)


@dataclass(frozen=True, slots=True)
class RestartLimit:
    """How many restarts within which time are borne; the next failure escalates."""

    count: int = 5
    window_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.count < 0 or self.window_seconds <= 0:
            raise ConfigurationError(
                f"a restart limit needs count >= 0 and window_seconds > 0, "
                f"not {self.count!r} and {self.window_seconds!r}"
            )


@dataclass(slots=True)
class RestartWindow:
    """The failures that count against a `RestartLimit`, and the first cause of them.

    A streak begins with a failure that has no other within the window before it. Its
    first cause is kept while the streak lasts, since later failures are often only its
    consequences.

    Example:
        >>> window = RestartWindow(RestartLimit(count=1, window_seconds=60))
        >>> window.note(0.0, OSError("disk full")), window.note(1.0, KeyError("handle"))
        (True, False)
        >>> window.first_cause
        OSError('disk full')
    """

    limit: RestartLimit
    first_cause: Exception | None = None
    _times: deque[float] = field(default_factory=deque)

    @property
    def failures(self) -> int:
        """Failures within the window, as of the last call."""
        return len(self._times)

    def note(self, now: float, error: Exception) -> bool:
        """Count a failure; return whether a restart is still allowed."""
        self.settle(now)
        if self.first_cause is None:
            self.first_cause = error
        self._times.append(now)
        return len(self._times) <= self.limit.count

    def settle(self, now: float) -> None:
        """Forget failures older than the window, and the first cause with the last."""
        while self._times and now - self._times[0] > self.limit.window_seconds:
            self._times.popleft()
        if not self._times:
            self.first_cause = None


def strategy_for(error: Exception) -> Strategy:
    """Return the usual answer: restart, unless no restart can mend it.

    A mistake in settings, plan or program is the same the next time, so it escalates at
    once; so does any error with a true attribute ``fatal``.

    Example:
        >>> strategy_for(OSError("connection reset"))
        <Strategy.RESTART: 'restart'>
        >>> strategy_for(ConfigurationError("no such topic"))
        <Strategy.ESCALATE: 'escalate'>
    """
    if isinstance(error, _HOPELESS) or getattr(error, "fatal", False):
        return Strategy.ESCALATE
    return Strategy.RESTART


def is_transient(error: Exception) -> bool:
    """Return whether the error says of itself that a later attempt may succeed."""
    return bool(getattr(error, "retriable", False))


@dataclass(frozen=True, slots=True)
class Supervision:
    """How one actor is supervised (`docs/supervision.md`).

    Attributes:
        strategy: The answer to a failure: a `Strategy` or its name. Unset, a record its
            policy fails for escalates and anything else restarts. A mistake in the
            program escalates whatever it says, and what only needs time is tried again.
        backoff: The waits between attempts at the same work.
        limit: How many failures are borne; transient ones do not count.
        group: As a parent: what a child's restart means for its siblings; a `Group` or
            its name.
        timeout_seconds: How long one event or batch may be in hand; ``None`` for ever.
        classify: The strategy for an error that is not transient, where none is set.
        transient: Which errors are nobody's fault and only need time.
        max_transient_seconds: How long transient failures may go on without one success
            before they escalate; ``None`` for ever.
        child_strategy: What this actor, as a parent, does about a child that escalated:
            ESCALATE passes it on to its own parent, STOP leaves the child stopped and
            everything else running.

    Raises:
        ConfigurationError: If a value is not usable.

    Example:
        >>> Supervision("restart", limit=RestartLimit(count=2)).strategy
        <Strategy.RESTART: 'restart'>
        >>> Supervision("restart").answer(OSError("disk full"))
        <Strategy.RESTART: 'restart'>
    """

    strategy: Strategy | str | None = None
    backoff: Backoff = Backoff()
    limit: RestartLimit = RestartLimit()
    group: Group | str = Group.ONE_FOR_ONE
    timeout_seconds: float | None = None
    classify: Callable[[Exception], Strategy] = strategy_for
    transient: Callable[[Exception], bool] = is_transient
    max_transient_seconds: float | None = 300.0
    child_strategy: Strategy = Strategy.ESCALATE

    def __post_init__(self) -> None:
        if self.strategy is not None:
            object.__setattr__(self, "strategy", _member("strategy", Strategy, self.strategy))
        object.__setattr__(self, "group", _member("group", Group, self.group))
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ConfigurationError(
                f"timeout_seconds is {self.timeout_seconds!r}; allowed: a number above 0, or None"
            )
        if self.child_strategy not in (Strategy.ESCALATE, Strategy.STOP):
            raise ConfigurationError(
                f"child_strategy is ESCALATE or STOP, not {self.child_strategy!r}: "
                f"a child has used up its restarts when its parent hears of it"
            )

    def answer(self, error: Exception) -> Strategy:
        """Return the strategy for an error that is not transient."""
        if self.strategy is None:
            return self.classify(error)
        if isinstance(error, _HOPELESS):
            return Strategy.ESCALATE
        return Strategy(self.strategy)


def _member(name: str, kind: type[Enum], given: object) -> Any:
    try:
        return kind(given)
    except ValueError:
        allowed = ", ".join(repr(each.value) for each in kind)
        raise ConfigurationError(f"{name} is {given!r}; allowed: {allowed}") from None
