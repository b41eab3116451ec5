from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from sabot.errors import ColumnNotFoundError, FunctionResultError, InternalError
from sabot.operators import FilterOperator, MapOperator
from sabot.runtime.faults import (
    BatchFaultError,
    TransientFaultError,
    concat,
    fatal,
    run_step,
)
from sabot.runtime.policy import ErrorPolicy
from sabot.types import Batch, TopicPartition
from tests.batches import batch_of
from tests.records import batch_from, raw_of, rows

POLICY = ErrorPolicy()


def a_map(function: Callable[[Any], Any], *, repeatable: bool = True) -> MapOperator:
    return MapOperator(function, name="map-1", repeatable=repeatable)


def refuses(*bad: int) -> Callable[[Any], Any]:
    """Return a step's function that fails for batches with these numbers in column ``n``."""

    def function(batch: Any) -> Any:
        for number in batch["n"].to_pylist():
            if number in bad:
                raise ValueError(f"no {number}")
        return batch

    return function


def numbered(count: int) -> Batch:
    return batch_from(raw_of(rows([{"n": number} for number in range(count)], first=100)))


def ns(batch: Batch) -> list[int]:
    values: list[int] = batch.columns.column("n").to_pylist()
    return values


def test_a_bad_row_costs_one_row_and_the_others_keep_their_order() -> None:
    out, faults = run_step(a_map(refuses(3, 11)), numbered(20), POLICY, halts=False)
    assert ns(out) == [n for n in range(20) if n not in (3, 11)]
    assert [fault.offset for fault in faults] == [103, 111]
    assert out.record_numbers() == [n for n in range(20) if n not in (3, 11)]
    assert [str(fault.error) for fault in faults] == ["no 3", "no 11"]


def test_a_fault_knows_the_record_behind_a_filtered_batch() -> None:
    batch = numbered(8)
    kept = batch.filter(pa.array([n % 2 == 1 for n in range(8)]))
    out, (fault,) = run_step(a_map(refuses(5)), kept, POLICY, halts=False)
    assert ns(out) == [1, 3, 7]
    assert (fault.where, fault.key, fault.partition) == (
        "in[0]@105",
        b"k105",
        TopicPartition("in", 0),
    )


def test_what_went_in_is_not_changed() -> None:
    batch = numbered(4)
    before = batch.columns
    run_step(a_map(refuses(2)), batch, POLICY, halts=False)
    assert batch.columns is before
    assert batch.num_rows == 4


def test_the_error_names_step_record_key_and_cause() -> None:
    _, (fault,) = run_step(a_map(refuses(1)), numbered(3), POLICY, halts=False)
    error = fatal(fault)
    assert str(error) == "step 'map-1' failed for in[0]@101, key b'k101': ValueError: no 1"
    assert (error.fatal, error.step, error.where, error.key) == (
        True,
        "map-1",
        "in[0]@101",
        b"k101",
    )
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize("cause", [OSError("net"), TimeoutError("slow"), ConnectionError("gone")])
def test_a_cause_that_may_pass_lets_nothing_of_the_batch_through(cause: Exception) -> None:
    def function(batch: Any) -> Any:
        raise cause

    with pytest.raises(TransientFaultError, match="it is tried again") as caught:
        run_step(a_map(function), numbered(4), POLICY, halts=False)
    assert caught.value.__cause__ is cause
    assert caught.value.retriable


def test_a_cause_that_may_pass_is_seen_in_a_half_as_well() -> None:
    def function(batch: Any) -> Any:
        if batch.num_rows > 2:
            raise ValueError("too many")
        raise TimeoutError

    with pytest.raises(TransientFaultError):
        run_step(a_map(function), numbered(4), POLICY, halts=False)


def test_a_class_the_user_named_transient_is() -> None:
    policy = ErrorPolicy(transient=(ZeroDivisionError,))
    with pytest.raises(TransientFaultError):
        run_step(a_map(lambda b: 1 / 0), numbered(2), policy, halts=False)


def test_a_file_that_is_missing_is_a_rows_fault() -> None:
    def function(batch: Any) -> Any:
        if 1 in batch["n"].to_pylist():
            raise FileNotFoundError("nowhere")
        return batch

    out, faults = run_step(a_map(function), numbered(3), POLICY, halts=False)
    assert ns(out) == [0, 2]
    assert len(faults) == 1


def test_ten_rows_that_fail_alike_are_no_rows_fault() -> None:
    with pytest.raises(BatchFaultError, match=r"for each of 10 rows from in\[0\]@100 on"):
        run_step(a_map(refuses(*range(10))), numbered(10), POLICY, halts=False)


def test_nine_rows_that_fail_alike_are() -> None:
    out, faults = run_step(a_map(refuses(*range(9))), numbered(9), POLICY, halts=False)
    assert out.num_rows == 0
    assert len(faults) == 9


def test_rows_that_fail_in_different_ways_are_to_blame() -> None:
    def function(batch: Any) -> Any:
        numbers = batch["n"].to_pylist()
        raise (ValueError if numbers[0] % 2 else KeyError)(numbers)

    _, faults = run_step(a_map(function), numbered(10), POLICY, halts=False)
    assert len(faults) == 10


@pytest.mark.parametrize(
    "cause",
    [
        FunctionResultError("a string", step="map-1"),
        ColumnNotFoundError(column="x", columns=["n"]),
        InternalError("bug"),
    ],
)
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_mistake_in_the_program_is_never_a_rows_fault(cause: Exception, repeatable: bool) -> None:
    def function(batch: Any) -> Any:
        raise cause

    with pytest.raises(type(cause)):
        run_step(a_map(function, repeatable=repeatable), numbered(3), POLICY, halts=False)


def test_a_step_that_must_not_be_repeated_sees_each_row_once_and_alone() -> None:
    seen: list[list[int]] = []

    def function(batch: Any) -> Any:
        seen.append(batch["n"].to_pylist())
        return refuses(1)(batch)

    out, faults = run_step(a_map(function, repeatable=False), numbered(4), POLICY, halts=False)
    assert seen == [[0], [1], [2], [3]]
    assert ns(out) == [0, 2, 3]
    assert [fault.offset for fault in faults] == [101]


def test_behind_a_failure_that_withholds_it_is_not_called_for_the_same_partition() -> None:
    seen: list[int] = []

    def function(batch: Any) -> Any:
        seen.extend(batch["n"].to_pylist())
        return refuses(1)(batch)

    left, right = rows([{"n": n} for n in range(3)]), rows([{"n": 10}, {"n": 11}], partition=1)
    mixed = [left[0], right[0], left[1], left[2], right[1]]
    batch = batch_from(raw_of(mixed))
    out, faults = run_step(a_map(function, repeatable=False), batch, POLICY, halts=True)
    assert seen == [0, 10, 1, 11]
    assert ns(out) == [0, 10, 11]
    assert [fault.where for fault in faults] == ["in[0]@1"]


def test_a_cause_that_may_pass_halts_a_step_that_must_not_be_repeated() -> None:
    seen: list[int] = []

    def function(batch: Any) -> Any:
        seen.extend(batch["n"].to_pylist())
        if 1 in batch["n"].to_pylist():
            raise TimeoutError
        return batch

    out, faults = run_step(a_map(function, repeatable=False), numbered(4), POLICY, halts=False)
    assert (seen, ns(out)) == ([0, 1], [0])
    assert [fault.transient for fault in faults] == [True]


def test_a_batch_without_rows_meets_no_function() -> None:
    calls: list[Any] = []
    out, faults = run_step(a_map(calls.append), numbered(2).slice(0, 0), POLICY, halts=False)
    assert (out.num_rows, faults, calls) == (0, [], [])


def test_all_rows_bad_leaves_a_batch_with_the_inputs_columns() -> None:
    out, faults = run_step(a_map(refuses(0, 1)), numbered(2), POLICY, halts=False)
    assert out.columns.schema.names == ["n"]
    assert (out.num_rows, len(faults)) == (0, 2)


# --- putting parts together -------------------------------------------------------------


def parts(*columns: dict[str, Any]) -> tuple[list[Batch], Batch]:
    whole = numbered(sum(len(next(iter(c.values()))) for c in columns))
    made, first = [], 0
    for some in columns:
        count = len(next(iter(some.values())))
        cut = whole.slice(first, count)
        made.append(cut.with_columns(pa.RecordBatch.from_pydict(some)))
        first += count
    return made, whole


def test_columns_that_parts_disagree_on_are_widened() -> None:
    some, whole = parts({"n": [1, 2]}, {"n": [0.5]})
    out = concat(some, whole)
    assert out.columns.schema.field("n").type == pa.float64()
    assert ns(out) == [1.0, 2.0, 0.5]


def test_a_column_that_one_part_lacks_is_null_there_and_no_longer_intact() -> None:
    some, whole = parts({"n": [1], "a": ["x"]}, {"n": [2], "b": [True]})
    out = concat(some, whole)
    assert out.columns.to_pylist() == [
        {"n": 1, "a": "x", "b": None},
        {"n": 2, "a": None, "b": True},
    ]
    assert out.intact == {"n"}
    assert out.record_numbers() == [0, 1]


def test_a_null_column_takes_the_type_of_the_others() -> None:
    some, whole = parts({"n": [None]}, {"n": ["x"]})
    assert concat(some, whole).columns.schema.field("n").type == pa.string()


def test_parts_without_columns_keep_their_rows() -> None:
    whole = numbered(5)
    bare = whole.with_columns(whole.columns.select([]))
    out = concat([bare.slice(0, 2), bare.slice(3, 2)], whole)
    assert (out.num_rows, out.columns.num_columns) == (4, 0)
    assert out.record_numbers() == [0, 1, 3, 4]


def test_a_part_without_columns_beside_one_with_some_keeps_its_rows() -> None:
    whole = numbered(3)
    bare = whole.with_columns(whole.columns.select([]))
    out = concat([bare.slice(0, 1), whole.slice(1, 2)], whole)
    assert out.columns.to_pylist() == [{"n": None}, {"n": 1}, {"n": 2}]


def test_parts_that_are_all_empty_keep_their_columns() -> None:
    whole = numbered(3)
    out = concat([whole.slice(0, 0), whole.slice(0, 0)], whole)
    assert (out.num_rows, out.columns.schema.names) == (0, ["n"])


def test_rows_that_never_were_records_are_called_by_number() -> None:
    batch = batch_of({"n": [0, 1, 2]})
    _, (fault,) = run_step(a_map(refuses(2)), batch, POLICY, halts=False)
    assert (fault.where, fault.partition, fault.offset, fault.key) == ("row 2", None, 2, None)
    assert str(fault.as_error()) == "step 'map-1' failed for row 2: ValueError: no 2"


def test_a_filter_is_bisected_too() -> None:
    def predicate(batch: Any) -> Any:
        refuses(2)(batch)
        return batch["n"] != 0

    out, faults = run_step(FilterOperator(predicate), numbered(4), POLICY, halts=True)
    assert ns(out) == [1, 3]
    assert [fault.offset for fault in faults] == [102]
