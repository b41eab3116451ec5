"""What holds for every operator; one that is not listed here fails the suite."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import sabot.operators
from sabot.operators import (
    DropOperator,
    FilterOperator,
    FlatMapOperator,
    MapOperator,
    Operator,
    RenameOperator,
    SelectOperator,
    StatefulOperator,
    WithColumnsOperator,
)
from sabot.types import Batch, RawBatch
from tests.batches import batch_of
from tests.kept import Kept

ROWS = {"id": [0, 1, 2, 3, 4, 5], "amount": [5.0, None, 1.0, 9.0, None, 3.0], "t": list("abcabc")}


def table(b: Any) -> Any:
    return pa.Table.from_batches([b]).sort_by("amount")


def rows(b: Any) -> Any:
    return [{"id": r["id"]} for r in b.to_pylist() for _ in range(2)]


def stateful() -> StatefulOperator:
    operator = StatefulOperator(
        lambda seen, row: ((seen or 0) + 1, row), name="stateful", store="seen", key="t"
    )
    operator.assign_all(Kept)
    return operator


MAKERS: dict[str, Callable[[], Operator]] = {
    "filter": lambda: FilterOperator(lambda b: b["amount"] > 2),
    "filter by a compute function": lambda: FilterOperator(lambda b: pc.greater(b["amount"], 2.0)),
    "filter all": lambda: FilterOperator(lambda b: b["id"] < 0),
    "map": lambda: MapOperator(lambda b: b.append_column("flagged", pc.scalar(True))),
    "map that sorts": lambda: MapOperator(lambda b: b.sort_by("amount")),
    "map that filters": lambda: MapOperator(lambda b: b.filter(b["amount"] > 2)),
    "map by a table": lambda: MapOperator(table),
    "map of new rows": lambda: MapOperator(
        lambda b: pa.RecordBatch.from_pylist([r for r in b.to_pylist() if r["t"] != "a"], b.schema)
    ),
    "map row by row": lambda: MapOperator(lambda b: b, repeatable=False),
    "flat_map": lambda: FlatMapOperator(rows),
    "flat_map by take": lambda: FlatMapOperator(lambda b: b.take([0] * b.num_rows)),
    "select": lambda: SelectOperator(["t", "id"]),
    "drop": lambda: DropOperator(["amount"]),
    "rename": lambda: RenameOperator({"amount": "value"}),
    "stateful": stateful,
    "with_columns": lambda: WithColumnsOperator({"amount": lambda b: b["amount"] * 2, "n": 1}),
}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS.keys())
def operator(request: pytest.FixtureRequest) -> Operator:
    made: Operator = request.param()
    return made


def batches() -> list[Batch]:
    whole = batch_of(ROWS)
    return [
        whole,
        whole.slice(1, 3),
        whole.filter(pa.array([True, False, True, True, False, True])),
        whole.take(pa.array([5, 0, 3, 3])),
        whole.slice(2, 1),
    ]


def test_every_operator_of_the_room_is_in_this_suite() -> None:
    here = {type(make()) for make in MAKERS.values()}
    for module in pkgutil.iter_modules(sabot.operators.__path__):
        found = import_module(f"sabot.operators.{module.name}")
        for name in found.__all__:
            value = getattr(found, name)
            if isinstance(value, type) and name.endswith("Operator") and value is not Operator:
                assert value in here, f"{name} is not tested"
                assert name in sabot.operators.__all__


def test_it_says_what_the_runtime_asks(operator: Operator) -> None:
    assert isinstance(operator, Operator)
    assert operator.name
    assert isinstance(operator.repeatable, bool)


@pytest.mark.parametrize("batch", batches())
def test_each_row_stays_with_its_record(operator: Operator, batch: Batch) -> None:
    made = operator.process(batch)
    assert made.origin is batch.origin
    assert made.decoded == batch.decoded
    assert made.columns.schema.names == list(dict.fromkeys(made.columns.schema.names))
    numbers = made.record_numbers()
    assert len(numbers) == made.num_rows
    assert set(numbers) <= set(batch.record_numbers())
    if "id" in made.columns.schema.names:
        assert made.columns["id"].to_pylist() == numbers


@pytest.mark.parametrize("batch", batches())
def test_intact_columns_hold_what_the_record_said(operator: Operator, batch: Batch) -> None:
    made = operator.process(batch)
    assert made.intact <= batch.intact
    for name in made.intact:
        said = [ROWS[name][number] for number in made.record_numbers()]
        assert made.columns[name].to_pylist() == said


@pytest.mark.parametrize("batch", batches())
def test_the_input_is_left_as_it_was(operator: Operator, batch: Batch) -> None:
    before, numbers = batch.columns.to_pylist(), batch.record_numbers()
    operator.process(batch)
    assert batch.columns.to_pylist() == before
    assert batch.record_numbers() == numbers
    assert batch.intact == set(ROWS)


def test_nothing_of_a_batch_is_kept_for_the_next(operator: Operator) -> None:
    for _ in range(2):
        for batch, fresh in zip(batches(), batches(), strict=True):
            made, again = operator.process(batch), operator.process(fresh)
            assert made.columns.equals(again.columns)
            assert made.record_numbers() == again.record_numbers()


def test_a_batch_without_rows_passes_without_a_call(operator: Operator) -> None:
    for columns in (batch_of(ROWS).columns.slice(0, 0), pa.record_batch({})):
        empty = Batch(columns, RawBatch((), (), columns=columns))
        made = operator.process(empty)
        assert made.num_rows == 0
        assert made.record_numbers() == []
