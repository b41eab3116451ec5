from __future__ import annotations

import pytest

from sabot.errors import ColumnNotFoundError, PlanError
from sabot.operators import RenameOperator
from tests.batches import batch_of

BATCH = batch_of({"a": [1], "b": [2], "c": [3]})


def test_columns_get_other_names_in_their_places() -> None:
    made = RenameOperator({"b": "z"}).process(BATCH)
    assert made.columns.to_pylist() == [{"a": 1, "z": 2, "c": 3}]
    assert made.intact == {"a", "c"}


def test_two_columns_may_change_names_with_one_another() -> None:
    made = RenameOperator({"a": "b", "b": "a"}).process(BATCH)
    assert made.columns.to_pylist() == [{"b": 1, "a": 2, "c": 3}]
    assert made.intact == {"c"}


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(PlanError, match="step 'rename' gives two columns the name 'b'"):
        RenameOperator({"a": "b"}).process(BATCH)


def test_a_missing_column_names_the_step_but_not_for_a_batch_without_rows() -> None:
    operator = RenameOperator({"nope": "x", "a": "y"}, name="rename-1")
    with pytest.raises(ColumnNotFoundError, match="step 'rename-1' uses column 'nope'"):
        operator.process(BATCH)
    assert operator.process(BATCH.slice(0, 0)).columns.schema.names == ["y", "b", "c"]
