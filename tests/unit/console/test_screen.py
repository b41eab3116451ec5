from __future__ import annotations

import io
import os
from typing import cast

import pytest

from sabot.console.screen import Screen, redraws


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_draws_over_the_lines_before() -> None:
    stream = Terminal()
    screen = Screen(stream, redraw=True)
    screen.show(["a", "b"])
    screen.show(["c"])
    assert stream.getvalue() == "a\nb\n\r\x1b[2A\x1b[0Jc\n"


def test_what_was_left_stays() -> None:
    stream = Terminal()
    screen = Screen(stream, redraw=True)
    screen.show(["a"])
    screen.leave()
    screen.show(["b"])
    assert stream.getvalue() == "a\nb\n"


def test_a_line_too_long_for_the_terminal_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    stream = Terminal()
    Screen(stream, redraw=True).show(["x" * 50])
    assert stream.getvalue() == "x" * 9 + "\n"


def test_elsewhere_lines_follow_one_another() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.show(["x" * 500])
    screen.show(["b"])
    assert stream.getvalue() == "x" * 500 + "\nb\n"


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (io.StringIO(), {"TERM": "xterm"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {}, os.name != "nt"),
    ],
)
def test_only_a_terminal_that_moves_its_cursor_is_redrawn(
    stream: io.StringIO, environment: dict[str, str], expected: bool
) -> None:
    assert redraws(cast("io.TextIOWrapper", stream), environment) is expected
