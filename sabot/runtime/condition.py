"""Whether a worker is well, and whether it is ready: what probes ask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Condition"]


@dataclass(frozen=True, slots=True)
class Condition:
    """An answer to a probe.

    Example:
        >>> Condition.of(["restoring"])
        Condition(ok=False, reasons=('restoring',))
    """

    ok: bool
    """Whether all is as it should be."""
    reasons: tuple[str, ...] = ()
    """What is not."""

    @classmethod
    def of(cls, reasons: Iterable[str]) -> Condition:
        """Return the condition of something with these complaints."""
        found = tuple(reasons)
        return cls(not found, found)
