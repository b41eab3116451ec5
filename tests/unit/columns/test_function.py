from __future__ import annotations

import random
import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.columns import BatchView, UserFunction
from sabot.errors import ColumnNotFoundError, FunctionResultError
from sabot.types import Batch
from tests.batches import batch_of

BATCH = batch_of({"id": [1, 2, 3], "amount": [30.0, None, 10.0], "type": ["A", "B", None]})
INPUT = "its input has 'id', 'amount', 'type'"


def call(function: Any, **options: Any) -> UserFunction:
    return UserFunction(function, step="step-1", **options)


def origins(batch: Batch) -> list[int]:
    """Return the ids of the records the rows came from."""
    return [number + 1 for number in batch.record_numbers()]


# Predicates


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda b: b["amount"] > 20, [True, None, False]),
        (lambda b: pc.greater(b["amount"], 20.0), [True, None, False]),
        (lambda b: pa.chunked_array([[True], [False, None]]), [True, False, None]),
        (lambda b: [True, False, None], [True, False, None]),
        (lambda b: [x == "A" for x in b["type"].to_pylist()], [True, False, False]),
        (lambda b: pc.field("amount") > 20, [True, None, False]),
        (lambda b: pa.nulls(b.num_rows), [None, None, None]),
        (lambda b: b.num_rows > 1, [True, True, True]),
        (lambda b: "nope" in b.schema.names, [False, False, False]),
        (lambda b: pa.scalar(True), [True, True, True]),
    ],
)
def test_a_mask_may_come_in_many_forms(function: Any, expected: Any) -> None:
    assert call(function).mask(BATCH).to_pylist() == expected


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda b: b["id"], "returned a mask of type int64 instead of bool, 3 rows"),
        (lambda b: b["id"][:1] == 1, "returned a mask of 1 rows for a batch of 3 rows"),
        (lambda b: [True], "returned a mask of 1 rows for a batch of 3 rows"),
        (lambda b: None, "returned None where a mask is needed"),
        (lambda b: 1, "returned 1 of type int where a mask is needed"),
        (lambda b: "yes", "returned 'yes' of type str where a mask is needed"),
        (lambda b: b, "returned a RecordBatch where a mask is needed"),
        (lambda b: [1, 0, 1], "returned [1, 0, 1] of type list where a mask is needed"),
        (lambda b: b["id"].null_count == 0, "returned True of type bool for 3 rows"),
        (lambda b: pc.any(b["id"] > 1), "returned one Arrow scalar of type bool for 3 rows"),
        (lambda b: b.filter(b["id"] > 1).num_rows > 0, "returned True of type bool for 3 rows"),
    ],
)
def test_what_is_no_mask_is_refused_naming_step_result_and_columns(
    function: Any, message: str
) -> None:
    with pytest.raises(FunctionResultError) as caught:
        call(function).mask(BATCH)
    text = str(caught.value)
    assert text.startswith(f"the function of step 'step-1' {message}")
    assert text.endswith(INPUT)
    assert caught.value.step == "step-1"


def test_an_async_function_is_told_from_one_that_returns_nothing() -> None:
    async def predicate(b: Any) -> Any:
        return b["id"] > 1

    with pytest.raises(FunctionResultError, match="write def, not async def"):
        call(predicate).mask(BATCH)


def test_with_a_real_batch_a_bare_bool_is_no_verdict() -> None:
    assert call(lambda b: pc.greater(b["id"], 1), raw=True).mask(BATCH).to_pylist() == [
        False,
        True,
        True,
    ]
    with pytest.raises(FunctionResultError, match="compare row by row"):
        call(lambda b: b.num_rows > 1, raw=True).mask(BATCH)


def test_a_missing_column_names_the_step() -> None:
    with pytest.raises(ColumnNotFoundError, match="step 'step-1' uses column 'prise'"):
        call(lambda b: b["prise"] > 1).mask(BATCH)


def test_what_the_function_raises_goes_through_unchanged() -> None:
    error = RuntimeError("theirs")

    def function(b: Any) -> Any:
        raise error

    with pytest.raises(RuntimeError) as caught:
        call(function).rows(BATCH)
    assert caught.value is error


def test_nothing_is_frozen_between_batches() -> None:
    chosen = random.Random(7)
    seen: list[float] = []

    def stamp(b: Any) -> Any:
        seen.append(chosen.random())
        return b.append_column("at", time.perf_counter_ns()).append_column("r", seen[-1])

    step = call(stamp)
    made = [step.rows(BATCH).columns for _ in range(5)]
    assert len({batch["at"][0].as_py() for batch in made}) == 5
    assert [batch["r"][0].as_py() for batch in made] == seen
    assert step.evaluations == 5


# Maps


@pytest.mark.parametrize(
    "function",
    [
        lambda b: b.append_column("flagged", pc.scalar(True)),
        lambda b: b.append_column("flagged", True),
        lambda b: b.append_column("flagged", pa.scalar(True)),
        lambda b: b.append_column("flagged", pa.array([True] * b.num_rows)),
    ],
)
def test_the_guides_map_adds_a_column_and_keeps_the_record(function: Any) -> None:
    made = call(function).rows(BATCH)
    assert made.columns["flagged"].to_pylist() == [True] * 3
    assert made.intact == BATCH.intact
    assert made.index is None


@pytest.mark.parametrize(
    ("function", "ids"),
    [
        (lambda b: b.sort_by("amount"), [3, 1, 2]),
        (lambda b: b.filter(pc.is_valid(b["amount"])), [1, 3]),
        (lambda b: b.take([2, 0, 2]), [3, 1, 3]),
        (lambda b: b.slice(1), [2, 3]),
        (lambda b: pa.Table.from_batches([b]).sort_by("amount"), [3, 1, 2]),
        (lambda b: pa.Table.from_batches([b]).filter(pc.field("id") > 1), [2, 3]),
        (lambda b: pc.filter(b, pc.is_valid(b["amount"])), [1, 3]),
        (lambda b: pa.concat_batches([b, b]), [1, 2, 3, 1, 2, 3]),
    ],
)
def test_rows_stay_with_their_records(
    function: Any, ids: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    made = call(function).rows(BATCH)
    assert made.columns["id"].to_pylist() == ids
    assert made.columns.schema.names == ["id", "amount", "type"]
    assert origins(made) == ids
    assert made.intact == BATCH.intact
    assert not caplog.records


def test_the_real_batch_is_remembered_and_loses_its_extra_column() -> None:
    seen: list[type] = []

    def function(b: Any) -> Any:
        seen.append(type(b))
        return pa.Table.from_batches([b]).append_column("n", pa.array(range(b.num_rows)))

    step = call(function)
    made = [step.rows(BATCH) for _ in range(3)]
    assert [kind.__name__ for kind in seen] == ["BatchView"] + ["RecordBatch"] * 3
    assert made[-1].columns.schema.names == ["id", "amount", "type", "n"]
    assert made[-1].intact == BATCH.intact


def test_a_value_changed_in_a_real_batch_is_not_taken_for_the_records() -> None:
    def function(b: Any) -> Any:
        table = pa.Table.from_batches([b])
        return table.set_column(1, "amount", pc.multiply(table["amount"], 2.0))

    assert call(function).rows(BATCH).intact == {"id", "type"}


def test_if_the_real_batch_fails_too_the_first_error_is_shown() -> None:
    def function(b: Any) -> Any:
        if isinstance(b, BatchView) or type(b) is BatchView:
            return pa.Table.from_batches([b])
        raise RuntimeError("second")

    with pytest.raises(TypeError, match="BatchView"):
        call(function).rows(BATCH)


def test_a_type_error_of_the_functions_own_is_not_tried_again() -> None:
    def function(b: Any) -> Any:
        raise TypeError("unsupported operand type(s) for +: 'int' and 'str'")

    step = call(function)
    with pytest.raises(TypeError, match="unsupported operand"):
        step.rows(BATCH)
    assert step.evaluations == 1


def test_a_batch_made_anew_with_as_many_rows_is_taken_to_be_in_order() -> None:
    def function(b: Any) -> Any:
        return pa.RecordBatch.from_pydict({"id": b["id"], "twice": b["amount"] * 2})

    made = call(function).rows(BATCH)
    assert made.columns["twice"].to_pylist() == [60.0, None, 20.0]
    assert origins(made) == [1, 2, 3]
    assert made.intact == {"id"}


def test_rows_without_a_trace_are_made_one_by_one_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def function(b: Any) -> Any:
        return pa.RecordBatch.from_pylist([r for r in b.to_pylist() if r["amount"]], b.schema)

    step = call(function)
    made = [step.rows(BATCH) for _ in range(2)]
    logs = [vars(record) for record in caplog.records]
    for batch in made:
        assert batch.columns["id"].to_pylist() == origins(batch) == [1, 3]
    assert [(log["step"], log["rows_in"], log["rows_out"]) for log in logs] == [("step-1", 3, 2)]
    assert "b.filter" in caplog.records[0].getMessage()
    assert step.evaluations == 1 + 3 + 3


def test_a_view_kept_from_another_batch_lends_no_records() -> None:
    kept: list[Any] = []

    def function(b: Any) -> Any:
        kept.append(b)
        return kept[0]

    step = call(function)
    step.rows(BATCH)
    later = step.rows(batch_of({"id": [7, 8, 9]}))
    assert later.record_numbers() == [0, 1, 2]
    assert later.intact == frozenset()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda b: None, "returned None where a RecordBatch or a Table is needed; a return is"),
        (lambda b: b["id"], "returned 3 values of type int64 where a RecordBatch"),
        (lambda b: {"id": 1}, "returned {'id': 1} of type dict where a RecordBatch"),
        (lambda b: b.append_column("id", 1), "returned two columns named 'id'"),
    ],
)
def test_what_is_no_batch_is_refused_naming_step_result_and_columns(
    function: Any, message: str
) -> None:
    with pytest.raises(FunctionResultError) as caught:
        call(function).rows(BATCH)
    assert str(caught.value).startswith(f"the function of step 'step-1' {message}")
    assert str(caught.value).endswith(INPUT)


def test_lineage_adds_up_over_two_steps() -> None:
    first = call(lambda b: b.sort_by("amount")).rows(BATCH)
    second = call(lambda b: pa.Table.from_batches([b]).filter(pc.field("id") != 1)).rows(first)
    assert second.columns["id"].to_pylist() == origins(second) == [3, 2]


# Flat maps


@pytest.mark.parametrize(
    ("function", "ids", "evaluations"),
    [
        (lambda b: b.take([0, 0, 2]), [1, 1, 3], 1),
        (lambda b: [b, b.filter(b["id"] > 2)], [1, 2, 3, 3], 1),
        (lambda b: [{"id": r["id"]} for r in b.to_pylist() for _ in range(r["id"])], None, 4),
        (lambda b: ({"id": i} for i in b["id"].to_pylist() if i != 2), [1, 3], 4),
        (lambda b: [], [], 1),
        (lambda b: pa.table({"id": [i for i in b["id"].to_pylist() if i > 1]}), [2, 3], 4),
        (lambda b: [pa.RecordBatch.from_pydict({"id": b["id"]})], [1, 2, 3], 4),
    ],
)
def test_a_flat_map_returns_any_number_of_rows_that_stay_with_their_records(
    function: Any, ids: list[int] | None, evaluations: int
) -> None:
    step = call(function)
    made = step.flat(BATCH)
    ids = [1, 2, 2, 3, 3, 3] if ids is None else ids
    assert made.columns["id"].to_pylist() == origins(made) == ids
    assert step.evaluations == evaluations


def test_dicts_of_one_flat_map_may_have_other_keys_but_not_other_types() -> None:
    made = call(lambda b: [{"id": i, f"k{i}": i} for i in b["id"].to_pylist()]).flat(BATCH)
    assert made.columns.to_pylist()[1] == {"id": 2, "k1": None, "k2": 2, "k3": None}
    both = call(lambda b: [{"a": 1}, {"b": 2}] * b.num_rows).flat(BATCH.slice(0, 1))
    assert both.columns.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": 2}]
    with pytest.raises(FunctionResultError, match="do not go together"):
        call(lambda b: [{"v": i if i > 1 else "x"} for i in b["id"].to_pylist()]).flat(BATCH)


@pytest.mark.parametrize("result", [None, 5, "text", [1, 2], {"a": 1}])
def test_a_flat_map_that_returns_no_rows_at_all_is_refused(result: Any) -> None:
    with pytest.raises(FunctionResultError):
        call(lambda _: result).flat(BATCH)


# Values


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda b: b["id"] * 2, [2, 4, 6]),
        (lambda b: pc.field("id"), [1, 2, 3]),
        (lambda b: "x", ["x"] * 3),
        (lambda b: [7, 8, 9], [7, 8, 9]),
        (lambda b: pc.max(b["id"]), [3, 3, 3]),
        (lambda b: pa.Table.from_batches([b])["id"], [1, 2, 3]),
    ],
)
def test_values_are_one_for_each_row_or_one_for_all(function: Any, expected: Any) -> None:
    assert call(function).values(BATCH).to_pylist() == expected


@pytest.mark.parametrize("function", [lambda b: [1], lambda b: None, lambda b: b])
def test_values_that_fit_no_batch_are_refused(function: Any) -> None:
    with pytest.raises(FunctionResultError, match="step 'step-1'"):
        call(function).values(BATCH)
