from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pytest

from sabot.api.stream import Stream
from sabot.errors import PlanError, ProcessingError


def kafka() -> Stream:
    return Stream.from_kafka("localhost:1", "orders", "billing")


def test_rows_come_back_in_order_as_a_table() -> None:
    batch = pa.record_batch({"n": [1, 2]})
    table = Stream.from_batches([batch, batch]).collect()
    assert isinstance(table, pa.Table)
    assert table.to_pydict() == {"n": [1, 2, 1, 2]}


def test_a_limit_counts_the_rows_that_come_out() -> None:
    rows = Stream.from_pylist([{"n": n} for n in range(10)]).filter(lambda b: b["n"] > 3)
    assert rows.to_pylist(limit=2) == [{"n": 4}, {"n": 5}]
    assert rows.to_pylist(limit=0) == []
    assert len(rows.to_pylist(limit=100)) == 6


def test_a_limit_ends_the_reading() -> None:
    seen: list[int] = []

    def look(batch: Any) -> Any:
        seen.append(batch.num_rows)
        return batch

    batch = pa.record_batch({"n": [1, 2]})
    Stream.from_batches([batch] * 5).map(look).collect(limit=3)
    assert seen == [2, 2]


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(PlanError, match="limit is -1; allowed is 0 or more rows"):
        Stream.from_pylist([{"n": 1}]).collect(limit=-1)


@pytest.mark.parametrize("method", ["collect", "to_pylist"])
def test_a_source_without_an_end_needs_a_bound(method: str) -> None:
    with pytest.raises(PlanError, match=r"kafka 'orders'.*would never return") as caught:
        getattr(kafka(), method)()
    assert "give it limit= (rows), timeout= (seconds) or both" in str(caught.value)


def test_time_may_run_out_before_the_rows_do() -> None:
    batch = pa.record_batch({"n": [1]})

    def slow(made: Any) -> Any:
        until = time.monotonic() + 0.02
        while time.monotonic() < until:
            pass
        return made

    table = Stream.from_batches([batch] * 1000).map(slow).collect(timeout=0.05)
    assert 1 <= table.num_rows < 1000


def test_an_empty_result_keeps_its_columns() -> None:
    rows = Stream.from_pylist([{"n": 1, "t": "a"}])
    table = rows.filter(lambda b: b["n"] > 5).select("t").collect()
    assert table.num_rows == 0
    assert table.schema == pa.schema([("t", pa.string())])


def test_a_source_without_batches_gives_an_empty_table() -> None:
    table = Stream.from_batches([]).collect()
    assert (table.num_rows, table.num_columns) == (0, 0)


def test_batches_with_other_columns_are_put_together() -> None:
    batches = [pa.record_batch({"n": [1]}), pa.record_batch({"n": [0.5], "t": ["a"]})]
    assert Stream.from_batches(batches).to_pylist() == [
        {"n": 1.0, "t": None},
        {"n": 0.5, "t": "a"},
    ]


def test_a_step_that_raises_is_named_with_the_row() -> None:
    rows = Stream.from_pylist([{"n": 1}, {"n": 0}])
    with pytest.raises(ProcessingError, match=r"step 'map-1' failed for row 1: ZeroDivision"):
        rows.map(lambda b: [1 / n for n in b["n"].to_pylist()] and b).collect()


def test_a_stream_may_be_collected_again() -> None:
    rows = Stream.from_pylist([{"n": 1}])
    assert rows.to_pylist() == rows.to_pylist()


def test_for_each_is_no_part_of_looking() -> None:
    touched: list[Any] = []
    rows = Stream.from_pylist([{"n": 1}])
    rows.for_each(touched.append)
    rows.collect()
    assert touched == []


def test_members_of_a_union_come_one_after_the_other() -> None:
    a, b = Stream.from_pylist([{"n": 1}, {"n": 2}]), Stream.from_pylist([{"n": 3}])
    assert a.union(b.filter(lambda r: r["n"] > 0)).to_pylist() == [{"n": 1}, {"n": 2}, {"n": 3}]
