"""A worker's rates, shown once a second while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sabot.console.rates import rates
from sabot.console.screen import Screen
from sabot.console.table import line, table

if TYPE_CHECKING:
    from sabot.runtime.statistics import WorkerStatistics

__all__ = ["LiveView"]


class LiveView:
    """Looks at a worker from a thread of its own while the block runs.

    Args:
        look: Returns the worker's statistics.
        screen: Where to show them: a table where it can be redrawn, else a line a look.
        watched: Label to the name of an output that the line shows beside the totals.
        looked: Called with each look, from that thread.
        every: Seconds between two looks.
    """

    def __init__(
        self,
        look: Callable[[], WorkerStatistics],
        screen: Screen,
        watched: Mapping[str, str],
        *,
        looked: Callable[[WorkerStatistics], None] | None = None,
        every: float = 1.0,
    ) -> None:
        self._look = look
        self._screen = screen
        self._watched = watched
        self._looked = looked
        self._every = every
        self._before: WorkerStatistics | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sabot-live-view", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._show()
        self._screen.leave()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self._show()

    def _show(self) -> None:
        now = self._look()
        shown = rates(self._before, now)
        if self._screen.redraws:
            self._screen.show(table(shown))
        else:
            self._screen.show([line(now.seconds, shown, self._watched)])
        self._before = now
        if self._looked is not None:
            self._looked(now)
