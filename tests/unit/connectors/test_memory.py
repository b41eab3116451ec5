from __future__ import annotations

import pyarrow as pa
import pytest

from sabot.connectors.memory import MemorySource
from sabot.errors import SchemaMismatchError


def test_batches_are_read_in_order_and_may_be_read_again() -> None:
    batches = [pa.record_batch({"n": [1]}), pa.record_batch({"n": [2, 3]})]
    source = MemorySource.from_batches(iter(batches))
    for _ in range(2):
        assert [raw.columns for raw in source.read()] == batches
    assert [len(raw) for raw in source.read()] == [1, 2]


def test_one_batch_or_table_may_stand_alone() -> None:
    batch = pa.record_batch({"n": [1, 2]})
    assert MemorySource.from_batches(batch).batches == (batch,)
    table = pa.concat_tables([pa.table({"n": [1]}), pa.table({"n": [2]})])
    assert [b.to_pylist() for b in MemorySource.from_batches(table).batches] == [
        [{"n": 1}],
        [{"n": 2}],
    ]


def test_what_is_no_batch_is_named() -> None:
    with pytest.raises(SchemaMismatchError, match=r"item 1 is dict; for dicts use Stream\."):
        MemorySource.from_batches([pa.record_batch({"n": [1]}), {"n": 2}])


def test_columns_are_all_keys_in_the_order_they_appear() -> None:
    (batch,) = MemorySource.from_pylist([{"b": 1}, {"a": "x", "b": 2}]).batches
    assert batch.schema.names == ["b", "a"]
    assert batch.to_pylist() == [{"b": 1, "a": None}, {"b": 2, "a": "x"}]


def test_rows_without_any_key_are_rows() -> None:
    (batch,) = MemorySource.from_pylist([{}, {}, {}]).batches
    assert (batch.num_rows, batch.num_columns) == (3, 0)


def test_it_ends_and_says_how_much_it_holds() -> None:
    source = MemorySource.from_pylist([{"n": 1}, {"n": 2}])
    assert source.bounded
    assert source.title == "memory, 2 rows in 1 batches"
