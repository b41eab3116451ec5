from __future__ import annotations

import pyarrow as pa
import pytest

from sabot.types import Batch, RawBatch, TopicPartition
from tests.batches import batch_of
from tests.records import batch_from, raw_of, rows


def abc() -> Batch:
    return batch_from(raw_of(rows([{"n": n} for n in range(4)], first=10)))


def empties(count: int) -> Batch:
    """Return a batch as it is decoded from records that are all ``{}``."""
    return batch_from(raw_of(rows([{}] * count)))


def test_a_partition_prints_as_people_write_it() -> None:
    assert str(TopicPartition("orders", 3)) == "orders[3]"


def test_a_row_of_an_untouched_batch_is_the_record_of_its_number() -> None:
    batch = abc()
    assert batch.index is None
    assert batch.record_numbers() == [0, 1, 2, 3]
    assert (batch.record_number(2), batch.where(2)) == (2, "in[0]@12")


def test_rows_keep_their_records_through_filter_take_and_slice() -> None:
    batch = abc().filter(pa.array([True, None, True, True]))
    assert batch.record_numbers() == [0, 2, 3]
    batch = batch.take(pa.array([2, 0, 2]))
    assert batch.record_numbers() == [3, 0, 3]
    batch = batch.slice(1, 2)
    assert batch.record_numbers() == [0, 3]
    assert batch.where(1) == "in[0]@13"
    assert batch.columns.to_pylist() == [{"n": 0}, {"n": 3}]


def test_a_slice_of_everything_is_the_batch_itself() -> None:
    batch = abc()
    assert batch.slice(0, 4) is batch


def test_rows_that_never_were_records_are_called_by_number() -> None:
    assert batch_of({"n": [1, 2]}).where(1) == "row 1"


def test_other_columns_are_the_same_rows() -> None:
    batch = abc().filter(pa.array([False, True, False, True]))
    other = batch.with_columns(pa.record_batch({"x": [1, 2]}))
    assert (other.record_numbers(), other.intact) == ([1, 3], frozenset())
    assert (other.origin, other.decoded) == (batch.origin, ("n",))


def test_a_raw_batch_counts_records_or_rows() -> None:
    assert len(raw_of(rows([{}, {}]))) == 2
    assert len(RawBatch((), (), columns=pa.record_batch({"n": [1, 2, 3]}))) == 3
    assert len(RawBatch((), ())) == 0


@pytest.mark.parametrize("count", [1, 3, 2000])
def test_rows_without_columns_are_rows(count: int) -> None:
    batch = empties(count)
    assert (batch.num_rows, batch.columns.num_columns) == (count, 0)
    assert batch.record_numbers() == list(range(count))


def test_rows_without_columns_can_be_filtered_taken_and_sliced() -> None:
    batch = empties(4)
    kept = batch.filter(pa.array([True, False, None, True]))
    assert (kept.num_rows, kept.record_numbers()) == (2, [0, 3])
    taken = batch.take(pa.array([3, 1]))
    assert (taken.num_rows, taken.record_numbers()) == (2, [3, 1])
    part = batch.slice(1, 2)
    assert (part.num_rows, part.record_numbers()) == (2, [1, 2])


def test_rows_whose_columns_are_all_dropped_stay() -> None:
    batch = abc().with_columns(abc().columns.select([]))
    assert batch.num_rows == 4
    assert batch.filter(pa.array([True, False, True, False])).record_numbers() == [0, 2]
