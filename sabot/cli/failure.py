"""A failure in words: what went wrong, why, and the exit code that says so."""

from __future__ import annotations

import traceback

from sabot.errors import AppLoadError, InternalError, SabotError
from sabot.runtime.exit_codes import ExitCode

__all__ = ["describe_failure", "exit_code_of", "traceback_text"]


def exit_code_of(error: BaseException) -> int:
    """Return the exit code for an error that ended a command.

    Example:
        >>> int(exit_code_of(AppLoadError("no such file"))), int(exit_code_of(RuntimeError()))
        (3, 1)
    """
    if isinstance(error, AppLoadError):
        return ExitCode.LOAD
    from sabot.runtime.exit_codes import exit_code

    return exit_code(error)


def describe_failure(error: BaseException, *, hint: bool = True) -> str:
    """Return an error and its causes, one to a line, the outermost first.

    A cause whose text the line before has quoted already is left out.

    Args:
        error: The error.
        hint: Say how to see the traceback of what is not one of Sabot's own errors.

    Example:
        >>> try:
        ...     try:
        ...         {}["id"]
        ...     except KeyError as cause:
        ...         raise SabotError("step 'map-1' failed") from cause
        ... except SabotError as error:
        ...     print(describe_failure(error))
        error: step 'map-1' failed
          because: KeyError: 'id'
    """
    lines = [f"error: {_text(error)}"]
    foreign = not isinstance(error, SabotError)
    seen = {id(error)}
    before, cause = error, _cause(error)
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if str(cause) not in str(before) or not str(cause):
            lines.append(f"  because: {_text(cause)}")
        before, cause = cause, _cause(cause)
    if isinstance(error, InternalError):
        lines.append("  this is a bug in Sabot; please report it with the traceback (--debug)")
    elif foreign and hint:
        lines.append("  --debug shows the traceback")
    return "\n".join(lines)


def traceback_text(error: BaseException) -> str:
    """Return the traceback as Python prints it."""
    return "".join(traceback.format_exception(error))


def _text(error: BaseException) -> str:
    # Sabot's messages are sentences; of any other exception the class says most.
    if isinstance(error, SabotError):
        return str(error)
    text = str(error).strip()
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _cause(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__
