"""A part of the terminal that is drawn over again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import TextIO

__all__ = ["Screen", "redraws"]

_UP = "\x1b[{}A"
_CLEAR_BELOW = "\x1b[0J"


class Screen:
    """Shows lines in place of the ones it showed before; only on a terminal.

    Args:
        stream: Where to draw.
        redraw: Whether the stream understands control sequences; `redraws` finds out.
    """

    def __init__(self, stream: TextIO, *, redraw: bool | None = None) -> None:
        self._stream = stream
        self.redraws = redraws(stream, os.environ) if redraw is None else redraw
        self._height = 0

    def show(self, lines: Sequence[str]) -> None:
        """Draw these lines over the last ones, or below them where that cannot be done."""
        start = ""
        if self.redraws:
            # A line that wraps would take two, and the next drawing would miss one.
            width = shutil.get_terminal_size().columns - 1
            lines = [line[:width] for line in lines]
            if self._height:
                start = "\r" + _UP.format(self._height) + _CLEAR_BELOW
        self._stream.write(start + "".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._height = len(lines)

    def leave(self) -> None:
        """Keep what is shown; the next lines go below it."""
        self._height = 0


def redraws(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that moves its cursor when told to.

    Args:
        stream: Where to draw.
        environment: The process's environment variables.
    """
    if not stream.isatty() or environment.get("TERM") == "dumb":
        return False
    # The old console of Windows shows control sequences as they are.
    return os.name != "nt" or bool({"WT_SESSION", "TERM", "TERM_PROGRAM"} & set(environment))
