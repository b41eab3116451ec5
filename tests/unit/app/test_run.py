from __future__ import annotations

from typing import Any

import pytest

import sabot
from sabot.errors import ConfigurationError, PlanError
from sabot.plan.outputs import collecting

ROWS = [{"n": 1}, {"n": 2}]


def test_everything_defined_is_run_once() -> None:
    first: list[Any] = []
    second: list[Any] = []
    with collecting():
        sabot.Stream.from_pylist(ROWS).for_each(first.append)
        sabot.Stream.from_pylist(ROWS).for_each(second.append)
        sabot.run()
        with pytest.raises(PlanError, match=r"2 output\(s\) ran already"):
            sabot.run()
    assert (first, second) == (ROWS, ROWS)


def test_only_what_is_given_is_run() -> None:
    first: list[Any] = []
    second: list[Any] = []
    with collecting():
        wanted = sabot.Stream.from_pylist(ROWS).for_each(first.append)
        sabot.Stream.from_pylist(ROWS).for_each(second.append)
        sabot.run(wanted)
        assert (first, second) == (ROWS, [])
        sabot.run()
    assert (first, second) == (ROWS, ROWS)


def test_the_outputs_of_a_file_run_under_its_only_app() -> None:
    seen: list[Any] = []
    with collecting():
        app = sabot.App("shop")
        sabot.Stream.from_pylist(ROWS).for_each(seen.append)
        sabot.run()
        assert [output.owner for output in app.outputs] == ["shop"]
    assert seen == ROWS


def test_one_of_several_apps_must_be_given() -> None:
    with collecting():
        sabot.App("one")
        sabot.App("two")
        sabot.Stream.from_pylist(ROWS).for_each(print)
        with pytest.raises(ConfigurationError) as caught:
            sabot.run()
    assert str(caught.value) == (
        "several apps are defined; run one of them: sabot.run(app)\n"
        "  apps: 'one', 'two'\n  outputs: 'for_each-1' of no app"
    )


def test_a_stream_is_not_something_to_run() -> None:
    with collecting(), pytest.raises(ConfigurationError, match="got Stream"):
        sabot.run(sabot.Stream.from_pylist(ROWS))  # type: ignore[arg-type]


def test_nothing_defined_is_nothing_to_run() -> None:
    with collecting(), pytest.raises(PlanError, match="nothing to run"):
        sabot.run()


def test_the_error_of_a_step_is_raised() -> None:
    def broken(row: dict[str, Any]) -> None:
        raise KeyError(row["n"])

    with collecting():
        sabot.Stream.from_pylist(ROWS).for_each(broken)
        with pytest.raises(sabot.ProcessingError):
            sabot.run()
