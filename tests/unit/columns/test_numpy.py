"""Columns beside numpy, where that is installed."""

from __future__ import annotations

from typing import Any

import pytest

from sabot.columns import Column, UserFunction
from sabot.errors import SchemaMismatchError
from tests.batches import batch_of

np: Any = pytest.importorskip("numpy")

BATCH = batch_of({"x": [1, 2, 3], "amount": [1.0, 10.0, 100.0], "t": ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda b: np.log10(b["amount"]) > 0.5, [False, True, True]),
        (lambda b: np.array([3, 2, 1]) == b["x"], [False, True, False]),
        (lambda b: np.array([3, 2, 1]) < b["x"], [False, False, True]),
        (lambda b: b["x"] == np.array([3, 2, 1]), [False, True, False]),
        (lambda b: b["x"] >= np.int64(2), [False, True, True]),
        (lambda b: b["amount"] > np.float64(5), [False, True, True]),
        (lambda b: b["x"].isin(np.array([2, 3])), [False, True, True]),
        (lambda b: b["x"].to_numpy() > 1, [False, True, True]),
        (lambda b: np.bool_(b.num_rows > 2), [True, True, True]),
    ],
)
def test_arrays_and_scalars_of_numpy_take_part(function: Any, expected: Any) -> None:
    assert UserFunction(function, step="s").mask(BATCH).to_pylist() == expected


def test_numpy_values_of_another_kind_are_refused() -> None:
    column = Column(BATCH.columns["t"])
    with pytest.raises(SchemaMismatchError):
        _ = column == np.int64(1)
    with pytest.raises(SchemaMismatchError):
        _ = column == np.array([1, 2])


def test_a_new_column_may_be_a_numpy_array() -> None:
    made = UserFunction(lambda b: b.append_column("n", np.arange(3)), step="s").rows(BATCH)
    assert made.columns["n"].to_pylist() == [0, 1, 2]
