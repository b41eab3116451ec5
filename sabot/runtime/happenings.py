"""What a worker hears of and decides about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sabot.runtime.domain import Domain

__all__ = ["Ended", "Failed", "Stop"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A domain has ended."""

    domain: Domain
    error: BaseException | None
    stopped: bool = False
    """Whether its actor's strategy was to stop it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Something else has failed for good."""

    error: BaseException
    ends: bool = True
    """Whether the worker ends by it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody asked for a stop."""

    reason: str
