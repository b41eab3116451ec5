from __future__ import annotations

import pytest

from sabot.errors import ColumnNotFoundError
from sabot.operators import DropOperator
from tests.batches import batch_of

BATCH = batch_of({"a": [1], "b": [2], "c": [3]})


def test_the_named_columns_are_left_out() -> None:
    made = DropOperator(["b"]).process(BATCH)
    assert made.columns.to_pylist() == [{"a": 1, "c": 3}]
    assert made.intact == {"a", "c"}
    assert made.decoded == ("a", "b", "c")


def test_a_missing_column_names_the_step_but_not_for_a_batch_without_rows() -> None:
    operator = DropOperator(["nope"], name="drop-1")
    with pytest.raises(ColumnNotFoundError, match="step 'drop-1' uses column 'nope'"):
        operator.process(BATCH)
    assert operator.process(BATCH.slice(0, 0)).num_rows == 0
