from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.columns.expression import evaluate, repeat
from tests.batches import batch_of

ROWS = batch_of({"a": [3, None, 1], "1": [7, 8, 9], "true": [False, False, False]})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (pc.scalar(True), [True] * 3),
        (pc.scalar(False), [False] * 3),
        (pc.scalar(1), [1] * 3),
        (pc.scalar("a"), ["a"] * 3),
        (pc.scalar(1.5), [1.5] * 3),
        (pc.field("a") > 1, [True, None, False]),
        (pc.field("1"), [7, 8, 9]),
        (pc.field("true"), [False] * 3),
        (pc.field("a").is_null(), [False, True, False]),
    ],
)
def test_an_expression_gives_one_value_for_each_row(expression: Any, expected: Any) -> None:
    assert evaluate(expression, ROWS).to_pylist() == expected


def test_rows_keep_their_order_in_a_large_batch() -> None:
    rows = batch_of({"a": pa.array(range(100_000))})
    assert evaluate(pc.field("a") + 1, rows).equals(pa.array(range(1, 100_001)))


def test_a_column_that_is_not_there_raises() -> None:
    with pytest.raises(pa.ArrowInvalid, match="nope"):
        evaluate(pc.field("nope") > 1, ROWS)


def test_a_plain_value_is_repeated_with_its_type() -> None:
    assert repeat(None, pa.int8(), 2).equals(pa.nulls(2, pa.int8()))
    assert repeat(1, pa.int8(), 2).equals(pa.array([1, 1], pa.int8()))
    assert repeat(b"x", None, 1).to_pylist() == [b"x"]
