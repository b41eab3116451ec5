from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.errors import FunctionResultError
from sabot.operators import WithColumnsOperator
from tests.batches import batch_of

BATCH = batch_of({"a": [1, 2], "b": [3, 4]})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda b: b["a"] + b["b"], [4, 6]),
        (lambda _: "x", ["x", "x"]),
        (pc.field("a") * 2, [2, 4]),
        (pc.scalar(True), [True, True]),
        (None, [None, None]),
        (7, [7, 7]),
        (pa.array([8, 9]), [8, 9]),
    ],
)
def test_a_column_comes_from_a_function_an_expression_or_a_value(value: Any, expected: Any) -> None:
    made = WithColumnsOperator({"new": value}).process(BATCH)
    assert made.columns["new"].to_pylist() == expected
    assert made.intact == {"a", "b"}


def test_a_column_that_is_there_is_replaced_in_its_place_and_none_sees_another() -> None:
    made = WithColumnsOperator({"a": lambda b: b["b"], "c": lambda b: b["a"]}).process(BATCH)
    assert made.columns.to_pydict() == {"a": [3, 4], "b": [3, 4], "c": [1, 2]}
    assert made.intact == {"b"}


@pytest.mark.parametrize("value", [pa.array([1]), lambda _: [1]])
def test_too_few_values_are_refused_naming_the_step(value: Any) -> None:
    with pytest.raises(FunctionResultError, match=r"step 'add'.*1 values for a batch of 2 rows"):
        WithColumnsOperator({"new": value}, name="add").process(BATCH)
