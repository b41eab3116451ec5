"""Masks written with operators against the same question asked of each row in Python."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.columns import Column

COMPARISONS: list[Callable[[Any, Any], Any]] = [
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
SMALL = st.integers(-1000, 1000)
ROWS = st.lists(
    st.tuples(
        st.none() | SMALL,
        st.none() | st.floats(-1e6, 1e6, width=32),
        st.none() | st.sampled_from(["", "A", "B", "é"]),
    ),
    max_size=20,
)


def columns(rows: list[tuple[Any, ...]]) -> tuple[Column, Column, Column]:
    x, amount, kind = ([row[i] for row in rows] for i in range(3))
    return (
        Column(pa.array(x, pa.int64())),
        Column(pa.array(amount, pa.float64())),
        Column(pa.array(kind, pa.string())),
    )


def known(function: Callable[..., Any], *values: Any) -> Any:
    return None if None in values else function(*values)


def kleene_and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


@pytest.mark.parametrize("compare", COMPARISONS)
@given(rows=ROWS, number=SMALL | st.floats(-1e6, 1e6), text=st.sampled_from(["", "A", "z"]))
def test_comparisons_agree_with_python(
    compare: Callable[[Any, Any], Any], rows: list[Any], number: float, text: str
) -> None:
    x, amount, kind = columns(rows)
    assert compare(x, number).to_pylist() == [known(compare, r[0], number) for r in rows]
    assert compare(number, x).to_pylist() == [known(compare, number, r[0]) for r in rows]
    assert compare(amount, number).to_pylist() == [known(compare, r[1], number) for r in rows]
    assert compare(kind, text).to_pylist() == [known(compare, r[2], text) for r in rows]
    assert compare(x, amount).to_pylist() == [known(compare, r[0], r[1]) for r in rows]


@given(rows=ROWS, low=SMALL, high=SMALL)
def test_joined_conditions_agree_with_python(rows: list[Any], low: int, high: int) -> None:
    x, amount, kind = columns(rows)
    mask = (x > low) & ((amount <= high) | ~(kind == "A"))
    expected = []
    for a, b, c in rows:
        less, other = known(operator.le, b, high), known(operator.ne, c, "A")
        either = None if None in (less, other) else less or other
        if less is True or other is True:
            either = True
        expected.append(kleene_and(known(operator.gt, a, low), either))
    assert mask.to_pylist() == expected
    assert kind.isin(["A", "B"]).to_pylist() == [r[2] in ("A", "B") for r in rows]


@pytest.mark.parametrize(
    "compute", [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod]
)
@given(rows=ROWS, number=SMALL.filter(bool))
def test_integer_arithmetic_agrees_with_python(
    compute: Callable[[Any, Any], Any], rows: list[Any], number: int
) -> None:
    x, _, _ = columns(rows)
    assert compute(x, number).to_pylist() == [known(compute, r[0], number) for r in rows]
    assert (x / number).to_pylist() == [known(operator.truediv, r[0], number) for r in rows]
