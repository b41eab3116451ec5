"""What may happen to one request on its way through a fault proxy."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sabot.errors import ConfigurationError

__all__ = [
    "Action",
    "ActionKind",
    "blackhole_response",
    "delay",
    "disconnect",
    "disconnect_after",
    "drop",
    "hold",
]


class ActionKind(enum.Enum):
    """What happens."""

    HOLD = "hold"
    DELAY = "delay"
    DROP = "drop"
    DISCONNECT = "disconnect"
    BLACKHOLE_RESPONSE = "blackhole_response"
    DISCONNECT_AFTER = "disconnect_after"


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to a request; made by the functions of this module.

    Attributes:
        kind: What.
        seconds: How long, where that means anything; ``None`` for until released.
    """

    kind: ActionKind
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds < 0:
            raise ConfigurationError(
                f"{self.kind.value} takes 0 seconds or more, not {self.seconds!r}"
            )


def hold(seconds: float | None = None) -> Action:
    """Keep the request, and what follows it on its connection, and deliver it later.

    It is delivered even when its client has given it up and hung up by then: so a late
    commit of a transaction comes to meet the next one.

    Args:
        seconds: How long; ``None`` until `FaultProxy.release` or `FaultProxy.heal`.
    """
    return Action(ActionKind.HOLD, seconds)


def delay(seconds: float) -> Action:
    """Deliver the request so much later, unless its client has hung up by then."""
    return Action(ActionKind.DELAY, seconds)


def drop() -> Action:
    """Lose the request; what follows it on its connection passes."""
    return Action(ActionKind.DROP)


def disconnect() -> Action:
    """Close the connection instead of delivering the request."""
    return Action(ActionKind.DISCONNECT)


def disconnect_after() -> Action:
    """Deliver the request, and close the connection instead of delivering its answer.

    The broker has done it and the client cannot know: the hardest case there is.
    """
    return Action(ActionKind.DISCONNECT_AFTER)


def blackhole_response() -> Action:
    """Deliver the request and lose its answer; other answers pass."""
    return Action(ActionKind.BLACKHOLE_RESPONSE)
