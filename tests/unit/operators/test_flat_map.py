from __future__ import annotations

from sabot.operators import FlatMapOperator
from tests.batches import batch_of


def test_each_row_becomes_any_number_of_rows() -> None:
    batch = batch_of({"words": ["a b", "", "c"]})
    operator = FlatMapOperator(
        lambda b: [{"word": w} for line in b["words"].to_pylist() for w in line.split()]
    )
    made = operator.process(batch)
    assert made.columns.to_pylist() == [{"word": "a"}, {"word": "b"}, {"word": "c"}]
    assert made.record_numbers() == [0, 0, 2]
    assert made.intact == frozenset()


def test_a_batch_of_which_nothing_is_left_has_no_rows() -> None:
    made = FlatMapOperator(lambda _: []).process(batch_of({"a": [1, 2]}))
    assert made.num_rows == 0
    assert made.record_numbers() == []
