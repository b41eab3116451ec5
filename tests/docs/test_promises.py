"""docs/promises.md: the tests it names are there, and every row it owes has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.acceptance.command import ROOT
from tests.faults.scenarios import SCENARIOS

PAGE = ROOT / "docs" / "promises.md"
OWED = {1, 2, 3, 4, 5, 6, 7, 11, 12, 14, 15, 17, 18, 19, 20, 22, 24, 25, 26, 29, 30}
"""The rows that must be tests; the page may have more."""


def rows() -> Iterator[tuple[int, str]]:
    """Return the number of each row, and what shows it."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| (\d+) \|", line):
            yield int(found[1]), line.split("|")[4]


ROWS = dict(rows())


def test_every_row_it_owes_is_on_the_page() -> None:
    assert OWED - ROWS.keys() == set()


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_are_there(row: int) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", ROWS[row])
    assert named
    assert ROWS[row].count("`") == 2 * len(named), "something else is named"
    for path, test in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test in defined, f"{path} has no {test}"


@pytest.mark.parametrize("row", ROWS)
def test_the_fault_runs_of_a_row_are_there(row: int) -> None:
    assert set(re.findall(r"\bF\d+\b", ROWS[row])) - SCENARIOS.keys() == set()
