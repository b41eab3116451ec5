from __future__ import annotations

import pytest

from sabot.errors import ColumnNotFoundError
from sabot.operators import SelectOperator
from tests.batches import batch_of

BATCH = batch_of({"a": [1], "b": [2], "c": [3]})


def test_the_named_columns_are_kept_in_the_order_named() -> None:
    made = SelectOperator(["c", "a"]).process(BATCH)
    assert made.columns.schema.names == ["c", "a"]
    assert made.decoded == ("a", "b", "c")
    assert made.intact == {"a", "c"}


def test_all_columns_in_their_order_leave_the_batch_as_it_is() -> None:
    assert SelectOperator(["a", "b", "c"]).process(BATCH) is BATCH


def test_a_missing_column_names_the_step_but_not_for_a_batch_without_rows() -> None:
    operator = SelectOperator(["a", "nope"], name="select-2")
    with pytest.raises(ColumnNotFoundError, match="step 'select-2' uses column 'nope'"):
        operator.process(BATCH)
    assert operator.process(BATCH.slice(0, 0)).columns.schema.names == ["a"]
