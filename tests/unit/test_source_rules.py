"""Rules of the source that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sabot

ROOT = Path(sabot.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def calls(file: Path, name: str) -> list[ast.Call]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_consume_waits_for_a_full_batch(file: Path) -> None:
    # consume(n, t) waits up to t for n records, however long the first has been there.
    for call in calls(file, "consume"):
        waits = ast.unparse(call.args[1]) if len(call.args) > 1 else "for ever"
        assert waits == "0", (
            f"{file.name}:{call.lineno}: poll for the first record, then consume(n, 0)"
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_producer_takes_records_by_the_batch(file: Path) -> None:
    # With a full queue it drops the tail and raises nothing.
    assert not calls(file, "produce_batch")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_signal_handler_takes_the_wake_up_descriptor_away(file: Path) -> None:
    assert not calls(file, "add_signal_handler")
