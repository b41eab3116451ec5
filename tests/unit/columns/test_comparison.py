"""Comparisons that are false for all rows must be refused, harmless ones let through."""

from __future__ import annotations

import datetime as dt
import functools
import linecache
import subprocess
import sys
import textwrap
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.columns import UserFunction
from sabot.columns.comparison import Comparisons
from sabot.columns.tracing import can_follow
from sabot.errors import FunctionResultError, SchemaMismatchError
from tests.batches import batch_of

ROWS = {
    "amount": [2000.0, 5.0, 2000.0, None],
    "x": [2, 2, 1, 2],
    "y": [2, 1, 1, None],
    "type": ["A", "B", "A", None],
}
BATCH = batch_of(ROWS)
MODE = "strict"


def mask(function: Any) -> list[bool | None]:
    made: list[bool | None] = UserFunction(function, step="filter-1").mask(BATCH).to_pylist()
    return made


def helper(b: Any) -> Any:
    sums = pc.add(b["x"], 0)
    return pc.and_(pc.greater(b["amount"], 1000.0), sums == 2)


def in_a_comprehension(b: Any) -> Any:
    masks = [array == 2 for array in [pc.add(b["x"], 0)]]
    return pc.and_(pc.greater(b["amount"], 1000.0), masks[0])


def equals_two(values: Any) -> Any:
    return values == 2


def dict_equals_two(values: dict[str, Any]) -> Any:
    return values["x"] == 2


class Rules:
    limit = 2

    def __call__(self, b: Any) -> Any:
        return pc.and_(pc.greater(b["amount"], 1.0), pc.add(b["x"], 0) == self.limit)

    def method(self, b: Any) -> Any:
        return self(b)


TRAPS = {
    "a compute function's result": lambda b: pc.and_(
        pc.greater(b["amount"], 1000.0), pc.add(b["x"], 0) == 2
    ),
    "the other way round": lambda b: pc.and_(
        pc.greater(b["amount"], 1000.0),
        2 == pc.add(b["x"], 0),  # noqa: SIM300
    ),
    "not equal": lambda b: pc.and_(pc.greater(b["amount"], 1.0), pc.add(b["x"], 0) != 2),
    "over several lines": lambda b: pc.and_(
        pc.greater(b["amount"], 1000.0),
        pc.add(
            b["x"],
            0,
        )
        == 2,
    ),
    "a method of an array": lambda b: pc.or_(
        pc.greater(b["amount"], 1000.0), pc.add(b["x"], 0).cast("int32") == 2
    ),
    "a computation with an array": lambda b: pc.or_(
        pc.greater(b["amount"], 1000.0), pc.add(b["x"], 0) * 2 == 4
    ),
    "two arrays": lambda b: pc.or_(
        pc.greater(b["amount"], 1000.0), pc.add(b["x"], 0) == pc.add(b["y"], 0)
    ),
    "a named array": helper,
    "a function that is called": lambda b: helper(b.slice(0)),
    "a comprehension": in_a_comprehension,
    "an object with a call": Rules(),
    "a method": Rules().method,
    "a partial": functools.partial(lambda limit, b: pc.add(b["x"], 0) == limit, 2),
    "an aggregate": lambda b: b["x"] > 0 if pc.max(b["x"]) == 2 else b["x"] < 0,
    "a column's own aggregate": lambda b: pc.and_(b["x"] > 0, b["x"].sum() == 7),
    "one row": lambda b: pc.and_(b["x"] > 0, b["x"][0] == 2),
    "iterating over scalars": lambda b: [value == 2 for value in b["x"]],
    "in": lambda b: pc.and_(b["x"] > 0, 2 in pc.add(b["x"], 0)),
    "and": lambda b: pc.greater(b["amount"], 1000.0) and pc.less(b["x"], 2),
    "or": lambda b: pc.greater(b["amount"], 1000.0) or pc.less(b["x"], 2),
    "not": lambda b: pc.and_(pc.greater(b["amount"], 1.0), not pc.less(b["x"], 2)),
    "if": lambda b: b["x"] > 0 if pc.less(b["x"], 2) else b["x"] < 0,
    "a number asked for its truth": lambda b: b["x"] > 0 if pc.sum(b["x"]) else b["x"] < 0,
    "a real batch": lambda b: pc.or_(
        pa.Table.from_batches([b])["amount"].is_null().combine_chunks(), b["type"] == "A"
    ),
    "an array behind a name": lambda b: equals_two(pc.add(b["x"], 0)),
    "an array in a dict": lambda b: dict_equals_two({"x": pc.add(b["x"], 0)}),
}


@pytest.mark.parametrize("function", TRAPS.values(), ids=TRAPS.keys())
def test_an_arrow_array_beside_an_operator_is_refused_with_its_line(function: Any) -> None:
    with pytest.raises(FunctionResultError, match=r"step 'filter-1', test_comparison\.py:\d+ "):
        mask(function)


def test_the_message_shows_the_comparison_and_what_to_write() -> None:
    with pytest.raises(FunctionResultError) as caught:
        mask(TRAPS["over several lines"])
    assert "compares `pc.add(b['x'], 0) == 2`" in str(caught.value)
    assert "pc.equal(...)" in str(caught.value)


def test_a_trap_is_refused_again_for_the_next_batch() -> None:
    function = UserFunction(helper, step="filter-1")
    for _ in range(5):
        with pytest.raises(FunctionResultError):
            function.mask(BATCH)


def test_a_trap_in_a_branch_is_refused_once_the_branch_runs() -> None:
    def function(b: Any) -> Any:
        if b.num_rows == 2:
            return pc.and_(pc.greater(b["amount"], 1.0), pc.add(b["x"], 0) == 2)
        return b["x"] > 0

    step = UserFunction(function, step="filter-1")
    for _ in range(10):
        step.mask(BATCH)
    with pytest.raises(FunctionResultError):
        step.mask(BATCH.slice(0, 2))


def test_a_trap_that_the_function_hides_by_except_is_refused() -> None:
    def function(b: Any) -> Any:
        try:
            return pc.and_(pc.greater(b["amount"], 1.0), pc.add(b["x"], 0) == 2)
        except Exception:  # noqa: BLE001
            return b["x"] > 0

    with pytest.raises(FunctionResultError):
        mask(function)


def harmless_python(b: Any) -> Any:
    settings = {"mode": MODE}
    if MODE == "strict" and settings["mode"] == "strict" and settings.get("other") == None:  # noqa: E711
        pass
    if b.num_rows == 4 and len(b["x"]) == 4 and b.schema.names != ["x"] and b.shape == (4, 4):
        pass
    if dt.datetime.now().hour == 3 or dt.date.today().year in (1, 2):  # noqa: DTZ005, DTZ011
        pass
    if pc.max(b["x"]).as_py() == 2 and b["x"].to_pylist()[0] == 2 and b["type"][0].as_py() == "A":
        pass
    if not settings or not b.num_rows or b["x"].null_count != 0 or pc.any(b["x"] > 1):
        pass
    if b["x"][0] == b["x"][1] and b["x"].type == pa.int64() and str(b["x"].type) == "int64":
        pass
    if "A" in b["type"] and [n for n in b.column_names if n == "x" and n in {"x", "y"}] == ["x"]:
        pass
    if pc.add(b["x"], 0).equals(pa.array([1])) or pc.add(b["x"], 0).to_pylist() == [1]:
        pass
    return b["x"] == 2


GOOD = {
    "harmless Python": (harmless_python, [True, True, False, True]),
    "the guide's filter": (lambda b: pc.greater(b["amount"], 1000.0), [True, False, True, None]),
    "the guide's fan-out": (lambda b: b["type"] == "A", [True, False, True, None]),
    "an array beside a column": (
        lambda b: pc.add(b["x"], 0) == b["y"],
        [True, False, True, None],
    ),
    "a comparison inside and_": (
        lambda b: pc.and_(pc.greater(b["amount"], 1000.0), b["x"] == 2),
        [True, False, False, None],
    ),
    "operators": (
        lambda b: (b["amount"] > 1000) & ~(b["type"] == "B") & b["x"].isin([2]),
        [True, False, False, None],
    ),
    "plain values": (lambda b: [v == 2 for v in b["x"].to_pylist()], [True, True, False, True]),
}


@pytest.mark.parametrize(("function", "expected"), GOOD.values(), ids=GOOD.keys())
def test_harmless_code_is_let_through_and_then_no_longer_watched(
    function: Any, expected: Any
) -> None:
    step = UserFunction(function, step="filter-1")
    for _ in range(4):
        assert step.mask(BATCH).to_pylist() == expected
    assert not Comparisons(function).found
    assert step.evaluations == 4
    assert step._comparisons is None


def test_two_plain_masks_joined_by_an_operator_say_what_to_write() -> None:
    with pytest.raises(SchemaMismatchError, match=r"pc\.and_kleene"):
        mask(lambda b: pc.greater(b["amount"], 1000.0) & (b["type"] == "B"))


def test_a_tracer_that_was_set_is_set_afterwards() -> None:
    seen: list[str] = []

    def tracer(frame: Any, event: str, _: Any) -> None:
        seen.append(frame.f_code.co_name)

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        assert mask(lambda b: b["x"] == 2) == [True, True, False, True]
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "mask" in seen


def test_where_nothing_can_be_followed_the_source_alone_tells_the_plain_cases() -> None:
    judge = Comparisons(TRAPS["a compute function's result"])
    assert "pc.add(b['x'], 0) == 2" in (judge.foresee() or "")
    for function, _ in GOOD.values():
        assert Comparisons(function).foresee() is None


@pytest.mark.skipif(not can_follow(), reason="another tracer is active")
def test_without_source_an_array_behind_a_name_is_still_refused() -> None:
    scope: dict[str, Any] = {"pc": pc}
    source = """
def named(b):
    sums = pc.add(b['x'], 0)
    return pc.and_(pc.greater(b['amount'], 1.0), sums == 2)
def called(b):
    return pc.and_(pc.greater(b['amount'], 1.0), pc.add(b['x'], 0) == 2)
def unclear(b):
    return pc.and_(pc.greater(b['amount'], 1.0), pc.add(b['x'], 0).cast('int8') == 2)
def fine(b):
    mode = 'strict'
    rows = b.num_rows
    if mode == 'strict' and rows == 4 and b.num_rows == 4:
        return pc.and_(pc.greater(b['amount'], 1.0), b['x'] == 2)
"""
    exec(compile(source, "<gone>", "exec"), scope)
    assert not linecache.getline("<gone>", 1)
    for name in ("named", "called", "unclear"):
        with pytest.raises(FunctionResultError):
            mask(scope[name])
    assert mask(scope["fine"]) == [True, True, False, None]


@pytest.mark.slow
def test_nothing_is_left_switched_on_in_other_threads_or_afterwards() -> None:
    program = """
    import sys, threading
    import pyarrow.compute as pc
    from sabot.columns import UserFunction
    from tests.batches import batch_of
    batch = batch_of({"x": [1, 2]})
    def run():
        for _ in range(50):
            UserFunction(lambda b: b["x"] == 2, step="s").mask(batch)
    threads = [threading.Thread(target=run) for _ in range(3)]
    [t.start() for t in threads]; run(); [t.join() for t in threads]
    assert sys.gettrace() is None
    monitoring = getattr(sys, "monitoring", None)
    assert monitoring is None or not any(monitoring.get_tool(n) for n in range(6))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60, cwd="."
    )
