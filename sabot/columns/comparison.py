"""The comparison that is false for all rows: found where it happens, or never passed on.

``pc.add(b["x"], 0) == 2`` is no comparison of rows. The left side is a plain Arrow array,
which does not know ``==``, and Python says ``False``; in ``pc.and_(mask, …)`` that drops
every record without a word. Columns of a batch compare row by row, but what
``pyarrow.compute`` returns are plain arrays and cannot be given operators. So the first
calls of a function are followed, and where a plain array or scalar meets ``==``, ``!=``
or ``in`` with something else, or is asked for its truth (``and``, ``or``, ``not``,
``if``), that is an error with its line. ``docs/decisions/user-functions.md`` has the
alternatives.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from sabot.columns.operand import Operands
from sabot.columns.reach import home_of, is_foreign, reachable
from sabot.columns.sites import Site, Span, sites_of
from sabot.columns.tracing import can_follow, follow
from sabot.columns.verdict import harmless, judge

__all__ = ["Comparisons"]

_SEARCHED_CALLS = 3
"""In so many calls, functions that were not found beforehand are looked for."""


class Comparisons:
    """Watches a function's comparisons until each was seen once.

    A function without comparisons is followed for a few calls, since functions it calls
    may have some. One whose comparison stands in a branch that never ran is followed
    until it does.

    Attributes:
        found: What was wrong in the last call, ready to be shown; ``None`` if nothing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.found: str | None = None
        self._home = home_of(function)
        self._foreseen: tuple[str | None] | None = None
        self._calls = 0
        self._codes: dict[int, tuple[CodeType, dict[str, Any]]] = {}
        self._positions: dict[int, list[Any]] = {}
        self._pending: dict[int, dict[int, Site]] = {}
        self._frames: dict[int, dict[Span, tuple[CodeType, Any]]] = {}
        for code, scope in reachable(function):
            self._learn(code, scope)

    @property
    def watching(self) -> bool:
        """Whether the next call should be made through `call`."""
        return self._calls < _SEARCHED_CALLS or any(self._pending.values())

    def call(self, call: Callable[[], Any]) -> Any:
        """Make a call and judge its comparisons; look at `found` afterwards."""
        self.found = None
        self._calls += 1
        self._frames.clear()
        if not can_follow():
            if self._foreseen is None:
                self._foreseen = (self.foresee(),)
            self.found = self._foreseen[0]
            return call()
        try:
            return follow(self, call)
        finally:
            self._frames.clear()

    def foresee(self) -> str | None:
        """Judge by the source alone, where calls cannot be followed.

        It knows fewer values, so it only finds what is wrong for certain: the result of a
        ``pyarrow.compute`` function beside a constant.
        """
        for number, sites in self._pending.items():
            seen = _beforehand(*self._codes[number], foresee=True)
            for site in sites.values():
                found = judge(site, seen, certain=True)
                if found is not None:
                    return found
        return None

    # Follower

    def wants(self, frame: FrameType) -> bool:
        """Look at a frame's code once, and follow it while some of its sites have not run."""
        code = frame.f_code
        known = self._pending.get(id(code))
        if known is None and self._calls <= _SEARCHED_CALLS and not self._is_foreign(frame):
            known = self._learn(code, frame.f_globals)
        if not known:
            return False
        self._frames[id(frame)] = {}
        return True

    def at(self, frame: FrameType, offset: int) -> None:
        """Judge a comparison that is about to run."""
        sites = self._pending.get(id(frame.f_code))
        if not sites or offset not in sites:
            return
        site = sites.pop(offset)
        scopes = (frame.f_locals, frame.f_globals, frame.f_builtins)
        found = judge(site, Operands(scopes, self._frames.get(id(frame), {})))
        if found is not None:
            self.found = self.found or found
            sites[offset] = site  # so that the next call is refused too

    def returned(self, frame: FrameType, value: object) -> None:
        """Keep what a function gave back to a frame that is followed."""
        self._frames.pop(id(frame), None)
        parent = frame.f_back
        seen = self._frames.get(id(parent)) if parent is not None else None
        if seen is not None and parent is not None:
            span = self._span(parent)
            if span is not None:
                seen[span] = (frame.f_code, value)

    def _is_foreign(self, frame: FrameType) -> bool:
        return is_foreign(frame.f_code, frame.f_globals, self._home)

    def _span(self, frame: FrameType) -> Span | None:
        positions = self._positions.get(id(frame.f_code))
        if positions is None:
            positions = self._positions[id(frame.f_code)] = list(frame.f_code.co_positions())
        span = positions[frame.f_lasti // 2]
        return None if None in span else span

    def _learn(self, code: CodeType, scope: dict[str, Any]) -> dict[int, Site]:
        self._codes[id(code)] = (code, scope)  # kept, so that its id is not given to another
        seen = _beforehand(code, scope)
        sites = {
            offset: site for offset, site in sites_of(code).items() if not harmless(site, seen)
        }
        self._pending[id(code)] = sites
        return sites


def _beforehand(code: CodeType, scope: dict[str, Any], *, foresee: bool = False) -> Operands:
    hidden = frozenset((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
    return Operands((scope, vars(builtins)), hidden=hidden, foresee=foresee)
