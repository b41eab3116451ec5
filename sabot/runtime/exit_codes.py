"""What a worker's exit code says."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


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
