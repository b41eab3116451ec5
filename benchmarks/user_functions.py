"""``python -m benchmarks.user_functions``: what calling a user's function costs per batch."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.columns import UserFunction
from sabot.columns.expression import evaluate
from sabot.types import Batch, RawBatch

SIZES = (10, 1_000, 10_000)


def batch_of(rows: int) -> Batch:
    columns = pa.record_batch(
        {
            "amount": pa.array([float(i * 7 % 2000) for i in range(rows)], pa.float64()),
            "type": pa.array(["ABC"[i % 3] for i in range(rows)], pa.string()),
            "x": pa.array([i % 5 for i in range(rows)], pa.int64()),
        }
    )
    names = tuple(columns.schema.names)
    return Batch(columns, RawBatch((), (), columns=columns), None, names, frozenset(names))


def with_a_branch(b: Any) -> Any:
    """Hold a comparison that never runs, so that the function stays watched."""
    if b.num_rows == 7:
        return b["type"] == "B"
    return b["type"] == "A"


def mask(function: Callable[[Any], Any]) -> Callable[[Batch], Any]:
    return UserFunction(function, step="filter").mask


def rows(function: Callable[[Any], Any]) -> Callable[[Batch], Any]:
    return UserFunction(function, step="map").rows


LIMIT = pa.scalar(1000.0, pa.float64())
EXPRESSION = (pc.field("amount") > 1000) & (pc.field("type") == "A")
CALLS: dict[str, Callable[[Batch], Any]] = {
    "b['type'] == 'A'": mask(lambda b: b["type"] == "A"),
    "(b['amount'] > 1000) & (b['type'] == 'A')": mask(
        lambda b: (b["amount"] > 1000) & (b["type"] == "A")
    ),
    "the same by an Expression": lambda batch: evaluate(EXPRESSION, batch.columns),
    "pc.greater(b['amount'], 1000.0)": mask(lambda b: pc.greater(b["amount"], 1000.0)),
    "pc.greater with a typed scalar": mask(lambda b: pc.greater(b["amount"], LIMIT)),
    "map: append_column('flagged', pc.scalar(True))": rows(
        lambda b: b.append_column("flagged", pc.scalar(True))
    ),
    "map: append_column('flagged', True)": rows(lambda b: b.append_column("flagged", True)),
    "a comparison that never ran, still watched": mask(with_a_branch),
}


def per_call(call: Callable[[], Any], *, calls: int = 200, rounds: int = 5) -> float:
    """Return the least microseconds per call."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - begin) / calls)
    return best * 1e6


def first_call(batch: Batch) -> float:
    """Return the microseconds of a step's first batch, where comparisons are judged."""
    step = UserFunction(lambda b: pc.and_(b["x"] > 1, b["type"] == "A"), step="filter")
    begin = time.perf_counter()
    step.mask(batch)
    return (time.perf_counter() - begin) * 1e6


def main() -> None:
    pandas = "with" if importlib.util.find_spec("pandas") else "without"
    print(
        f"µs per batch; Python {sys.version.split()[0]}, pyarrow {pa.__version__}, {pandas} pandas"
    )
    print(f"{'rows':<48}" + "".join(f"{size:>9,}" for size in SIZES))
    batches = [batch_of(size) for size in SIZES]
    for name, call in CALLS.items():
        figures = []
        for batch in batches:
            for _ in range(4):
                call(batch)  # the first calls are watched
            figures.append(per_call(lambda call=call, batch=batch: call(batch)))  # type: ignore[misc]
        print(f"{name:<48}" + "".join(f"{figure:>9.1f}" for figure in figures))
    firsts = [min(first_call(batch) for _ in range(20)) for batch in batches]
    print(f"{'first batch of a step, once':<48}" + "".join(f"{each:>9.0f}" for each in firsts))


if __name__ == "__main__":
    main()
