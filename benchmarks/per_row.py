"""How long a way takes per row, and the table that says so."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["SIZES", "microseconds", "print_table"]

SIZES = (10, 1_000, 10_000)
"""Rows at once: a trickle, the default batch, a backlog."""


def microseconds(run: Callable[[], Any], size: int, *, rounds: int, rows: int) -> float:
    """Return CPU microseconds per row, the median of some rounds.

    Args:
        run: Handles ``size`` rows.
        size: How many rows it handles.
        rounds: How often to measure.
        rows: About how many rows a round takes.
    """
    calls = max(rows // size, 1)
    found = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            run()
        found.append((time.process_time() - start) / (calls * size) * 1e6)
    return statistics.median(found)


def print_table(table: Mapping[str, Sequence[float]], title: str = "way") -> None:
    """Print a row for each way, with a figure for each of `SIZES`."""
    print(f"| {title} | " + " | ".join(f"{size:,} rows" for size in SIZES) + " |")
    print("| --- |" + " ---: |" * len(SIZES))
    for name, figures in table.items():
        print(f"| {name} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
