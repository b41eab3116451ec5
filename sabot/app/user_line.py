"""The line of the user's own code that an exception went through last."""

from __future__ import annotations

import importlib
import linecache
import os
import sysconfig
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["UserLine", "user_line"]


@dataclass(frozen=True, slots=True)
class UserLine:
    """A line of a file, printed as ``file.py:3: the code``."""

    file: str
    number: int
    source: str

    def __str__(self) -> str:
        place = f"{_shown(self.file)}:{self.number}"
        return f"{place}: {self.source}" if self.source else place


def user_line(error: BaseException) -> UserLine | None:
    """Return the innermost line of user code in a traceback.

    That is code of neither Sabot nor the standard library nor an installed package: where
    Sabot refuses an option, the line wanted is the one that gave it. An application that
    is itself installed has only installed code, and then the innermost line of that.
    A syntax error is its own place.
    """
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return UserLine(error.filename, error.lineno, (error.text or "").strip())
    found: UserLine | None = None
    own = False
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith("<") or _inside(frame.filename, _never()):
            continue
        theirs = not _inside(frame.filename, _installed())
        if theirs or not own:
            own = own or theirs
            number = frame.lineno or 1
            source = linecache.getline(frame.filename, number).strip()
            found = UserLine(frame.filename, number, source)
    return found


def _shown(file: str) -> str:
    """Return a path as short as it can be read from here, the same on every system."""
    path = Path(file)
    try:
        path = path.resolve().relative_to(Path.cwd().resolve())
    except ValueError:
        return str(path)
    return path.as_posix()


def _inside(file: str, folders: tuple[str, ...]) -> bool:
    name = os.path.normcase(os.path.realpath(file))
    return name.startswith(folders)


@cache
def _never() -> tuple[str, ...]:
    """Return the folders of Sabot and of the import system, which stand in every way in."""
    return _folder(Path(__file__).parent.parent), _folder(Path(importlib.__file__).parent)


@cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(
        _folder(Path(paths[kind])) for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    )


def _folder(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path)) + os.sep
