from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabot.deferred import DeferredColumns

SCHEMA = pa.schema([("n", pa.int64()), ("t", pa.string())])
MADE = pa.RecordBatch.from_pylist([{"n": 1, "t": "a"}, {"n": None, "t": "b"}, {"n": 3, "t": "c"}])


def deferred(rows: list[dict[str, Any]], asked: list[str] | None = None) -> DeferredColumns:
    def builder(name: str) -> Any:
        def build(some: Any) -> pa.Array:
            if asked is not None:
                asked.append(name)
            return pa.array([row[name] for row in some], SCHEMA.field(name).type)

        return build

    return DeferredColumns(SCHEMA, rows, {name: builder(name) for name in SCHEMA.names})


def test_only_the_column_that_is_asked_for_is_made_and_only_once() -> None:
    asked: list[str] = []
    columns = deferred(MADE.to_pylist(), asked)
    kept = columns.filter(pc.greater(columns.column("n"), 1))
    assert kept.num_rows == 1
    assert kept.column("n").to_pylist() == [3]
    assert columns.column(0) is columns["n"]
    assert asked == ["n"]


def test_all_columns_are_made_together_where_that_is_possible() -> None:
    asked: list[str] = []
    rows, builders = MADE.to_pylist(), deferred([], asked)._builders
    columns = DeferredColumns(SCHEMA, rows, builders, lambda some: MADE.columns)
    assert columns.materialize() == MADE
    assert columns.column("t").equals(MADE.column("t"))
    assert columns.column("t") is columns.column(1)
    assert columns.take(pa.array([2])).to_pylist() == [{"n": 3, "t": "c"}]
    assert asked == []
    assert DeferredColumns(SCHEMA, rows, builders, lambda some: None).materialize() == MADE
    assert asked == ["n", "t"]


def test_a_column_of_chosen_rows_is_made_of_those_rows_alone() -> None:
    columns = deferred(MADE.to_pylist()).take(pa.array([2, 0], pa.int64()))
    assert columns.column("t").to_pylist() == ["c", "a"]
    assert columns.to_pylist() == MADE.take(pa.array([2, 0])).to_pylist()


def test_a_column_that_is_not_there_raises_as_on_a_record_batch() -> None:
    columns = deferred(MADE.to_pylist())
    with pytest.raises(KeyError, match="nope"):
        columns.column("nope")
    with pytest.raises(KeyError, match="t"):
        columns.select(["n"]).column("t")


operations = st.lists(
    st.one_of(
        st.tuples(st.just("filter"), st.lists(st.sampled_from([True, False, None]), max_size=12)),
        st.tuples(st.just("take"), st.lists(st.integers(0, 11), max_size=12)),
        st.tuples(st.just("slice"), st.tuples(st.integers(0, 12), st.integers(0, 12))),
        st.tuples(st.just("append"), st.integers(0, 2)),
        st.tuples(st.just("look"), st.sampled_from(["n", "t"])),
    ),
    max_size=8,
)


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"n": st.none() | st.integers(-9, 9), "t": st.none() | st.text(max_size=2)}
        ),
        max_size=12,
    ),
    steps=operations,
)
def test_whatever_is_done_it_holds_what_a_record_batch_would(
    rows: list[dict[str, Any]], steps: list[tuple[str, Any]]
) -> None:
    lazy: Any = deferred(rows)
    real = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    for step, argument in steps:
        count = real.num_rows
        if step == "filter":
            mask = pa.array((argument * (count + 1))[:count] or [None] * count, pa.bool_())
            lazy, real = lazy.filter(mask), real.filter(mask)
        elif step == "take":
            numbers = pa.array([n for n in argument if n < count], pa.int64())
            lazy, real = lazy.take(numbers), real.take(numbers)
        elif step == "slice":
            start = min(argument[0], count)
            length = min(argument[1], count - start)
            lazy, real = lazy.slice(start, length), real.slice(start, length)
        elif step == "append" and f"x{argument}" not in real.schema.names:
            added = pa.array(range(count), pa.int64())
            lazy = lazy.append_column(f"x{argument}", added)
            real = real.append_column(f"x{argument}", added)
        elif step == "look":
            assert lazy.column(argument).equals(real.column(argument))
        assert lazy.num_rows == real.num_rows
    assert lazy.schema.equals(real.schema)
    assert lazy.materialize().equals(real)
