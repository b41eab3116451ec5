"""The two processing guarantees, by their names."""

from __future__ import annotations

from typing import Any, Literal

from sabot.errors import ConfigurationError, nearest

__all__ = ["GUARANTEES", "ProcessingGuarantee", "check_guarantee"]

ProcessingGuarantee = Literal["at_least_once", "exactly_once"]

GUARANTEES: tuple[ProcessingGuarantee, ...] = ("at_least_once", "exactly_once")


def check_guarantee(value: Any) -> None:
    """Refuse what is no guarantee; ``None`` leaves the choice to others.

    Raises:
        ConfigurationError: Then, with the names that are allowed.

    Example:
        >>> check_guarantee("exactly-once")
        Traceback (most recent call last):
        ...
        sabot.errors.ConfigurationError: processing_guarantee is 'exactly-once'; allowed: \
'at_least_once', 'exactly_once'; did you mean 'exactly_once'?
    """
    if value is not None and value not in GUARANTEES:
        allowed = ", ".join(map(repr, GUARANTEES))
        raise ConfigurationError(
            f"processing_guarantee is {value!r}; allowed: {allowed}"
            f"{nearest(str(value), GUARANTEES)}"
        )
