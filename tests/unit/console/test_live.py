from __future__ import annotations

import io
import threading

from sabot.console.live import LiveView
from sabot.console.screen import Screen
from sabot.runtime.statistics import PipelineStatistics, WorkerStatistics


class Counting:
    """Statistics that have gone on by 10 records and a second at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> WorkerStatistics:
        self.looks += 1
        pipeline = PipelineStatistics("p", "pipeline", "running", self.looks * 10)
        return WorkerStatistics("app", "running", float(self.looks), (pipeline,))


def test_it_looks_again_and_again_and_once_more_at_the_end() -> None:
    stream, look, seen = io.StringIO(), Counting(), threading.Event()
    screen = Screen(stream)
    with LiveView(look, screen, {}, looked=lambda now: seen.set(), every=0.001):
        assert seen.wait(5)
    lines = stream.getvalue().splitlines()
    assert len(lines) == look.looks >= 2
    assert lines[0] == "  1 s   p: in 10/s"


def test_a_terminal_gets_the_table() -> None:
    stream, look = io.StringIO(), Counting()
    with LiveView(look, Screen(stream, redraw=True), {}, every=60):
        pass
    assert "p: running" in stream.getvalue()
    assert look.looks == 1
