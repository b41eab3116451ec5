"""What a worker's exit code says."""

from __future__ import annotations

from enum import IntEnum

from sabot.errors import (
    BrokerError,
    ConfigurationError,
    PlanError,
    ProcessingError,
    RestartLimitError,
)

__all__ = ["ExitCode", "exit_code"]


class ExitCode(IntEnum):
    """Exit codes of ``sabot worker`` and ``sabot run``."""

    OK = 0
    """Ended as asked, or all sources ended."""
    FAILED = 1
    """A pipeline could not go on; the log has the first cause."""
    USAGE = 2
    """The command line or the configuration is not usable."""
    LOAD = 3
    """The target could not be loaded."""
    BROKER = 4
    """A broker, a topic or the credentials were not usable."""
    DRAIN = 5
    """Stopped as asked, but work in hand was not finished within the drain time-out."""
    INTERRUPTED = 130
    """A second signal ended the process at once."""


def exit_code(error: BaseException) -> int:
    """Return the exit code that an error earns.

    Example:
        >>> from sabot.errors import TopicNotFoundError
        >>> exit_code(TopicNotFoundError("no such topic")), exit_code(SystemExit(3))
        (<ExitCode.BROKER: 4>, 3)
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(ExitCode.FAILED)
    if isinstance(error, ProcessingError | RestartLimitError):
        return ExitCode.FAILED
    if isinstance(error, BrokerError):
        return ExitCode.BROKER
    if isinstance(error, ConfigurationError | PlanError):
        return ExitCode.USAGE
    return ExitCode.FAILED
