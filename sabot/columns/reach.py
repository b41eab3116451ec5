"""Which code a user's function consists of."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from sabot.columns.sites import nested_codes

__all__ = ["home_of", "is_foreign", "reachable"]

_FOREIGN = tuple(
    str(Path(folder).resolve())
    for folder in (
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parents[1]),
    )
)


def home_of(function: Callable[..., Any]) -> str:
    """Return the top package a function was written in."""
    inner = _function_of(function)
    return _top(inner.__globals__) if inner is not None else ""


def is_foreign(code: CodeType, scope: dict[str, Any], home: str) -> bool:
    """Whether code is Python's, Sabot's own, or of another package than ``home``."""
    name = code.co_filename
    return name.startswith(("<frozen", "<attrs", *_FOREIGN)) and _top(scope) != home


def reachable(function: Callable[..., Any]) -> list[tuple[CodeType, dict[str, Any]]]:
    """Return the codes of a function and of those it names, each with its global names.

    What it calls by other ways than a name is not seen from here.
    """
    home = home_of(function)
    found: dict[int, tuple[CodeType, dict[str, Any]]] = {}
    waiting = [_function_of(function)]
    while waiting:
        each = waiting.pop()
        if each is None or id(each.__code__) in found:
            continue
        if found and is_foreign(each.__code__, each.__globals__, home):
            continue
        for code in nested_codes(each.__code__):
            found[id(code)] = (code, each.__globals__)
            waiting.extend(_named(each, code))
    return list(found.values())


def _top(scope: dict[str, Any]) -> str:
    return str(scope.get("__name__", "")).partition(".")[0]


def _named(function: FunctionType, code: CodeType) -> list[FunctionType | None]:
    scope = function.__globals__
    values = [scope[name] for name in code.co_names if name in scope]
    for module in [value for value in values if isinstance(value, ModuleType)]:
        values += [vars(module)[name] for name in code.co_names if name in vars(module)]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            continue  # not bound yet
    return [_function_of(value) for value in values if callable(value)]


def _function_of(function: Any) -> FunctionType | None:
    """Return the Python function behind a partial, a method or an object with a call."""
    for _ in range(8):
        if isinstance(function, FunctionType):
            return function
        if isinstance(function, type):
            return None
        inner = getattr(function, "func", None) or getattr(function, "__func__", None)
        function = inner if inner is not None else vars(type(function)).get("__call__")
    return None
