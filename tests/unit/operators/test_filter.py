from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.errors import FunctionResultError
from sabot.operators import FilterOperator
from tests.batches import batch_of

BATCH = batch_of({"amount": [1.0, None, 3.0]})


def test_rows_are_kept_where_the_predicate_is_true_and_null_is_not() -> None:
    made = FilterOperator(lambda b: b["amount"] > 2).process(BATCH)
    assert made.columns.to_pylist() == [{"amount": 3.0}]
    assert made.record_numbers() == [2]
    assert made.intact == {"amount"}


def test_a_batch_of_which_all_rows_are_kept_is_the_same_batch() -> None:
    assert FilterOperator(lambda b: b["amount"].is_null() | True).process(BATCH) is BATCH


def test_routes_that_are_opposites_share_no_row() -> None:
    high = FilterOperator(lambda b: pc.greater(b["amount"], 1.0)).process(BATCH)
    low = FilterOperator(lambda b: pc.less_equal(b["amount"], 1.0)).process(BATCH)
    assert (high.record_numbers(), low.record_numbers()) == ([2], [0])


def test_errors_name_the_step() -> None:
    with pytest.raises(FunctionResultError, match="step 'big ones'"):
        FilterOperator(lambda _: pa.array([1]), name="big ones").process(BATCH)
