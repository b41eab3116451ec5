from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs.merging import MergedColumns
from sabot.errors import DecodeError


def rows(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_rows_of_two_versions_stand_in_the_order_of_their_numbers() -> None:
    merged = MergedColumns(None)
    old, new = rows(a=[1, 2], s=[{"x": 1}, None]), rows(a=[1.5], s=[{"y": "z"}])
    merged.widen(old.schema)
    merged.widen(new.schema)
    found = merged.merge([([0, 3], old), ([1], new)], [2])
    found.validate(full=True)
    assert found.column("a").to_pylist() == [1.0, 1.5, None, 2.0]
    assert found.column("s").to_pylist() == [
        {"x": 1, "y": None},
        {"x": None, "y": "z"},
        None,
        None,
    ]


def test_a_column_once_seen_stays() -> None:
    merged = MergedColumns(None)
    merged.widen(rows(a=[1]).schema)
    merged.widen(rows(b=["x"]).schema)
    assert merged.merge([], []).schema.names == ["a", "b"]
    assert merged.merge([], [0]).to_pylist() == [{"a": None, "b": None}]


def test_types_that_do_not_go_together_are_refused_and_nothing_changes() -> None:
    merged = MergedColumns(rows(a=[1]).schema)
    with pytest.raises(DecodeError, match="does not go with"):
        merged.widen(rows(a=["x"]).schema)
    assert merged.schema == rows(a=[1]).schema


UNSIGNED, SIGNED = pa.array([2**64 - 1], pa.uint64()), pa.array([-1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array(["text"]), pa.array([b"bytes"])),
        (UNSIGNED, SIGNED),
        (UNSIGNED, pa.array([1], pa.int32())),
        (pa.array([{"x": ["a"]}]), pa.array([{"x": [b"a"]}])),
        (
            pa.array([[("k", "a")]], pa.map_(pa.string(), pa.string())),
            pa.array([[("k", b"a")]], pa.map_(pa.string(), pa.binary())),
        ),
    ],
)
def test_text_becomes_no_bytes_and_no_number_outgrows_its_column(one: Any, other: Any) -> None:
    for first, second in ((one, other), (other, one)):
        merged = MergedColumns(None)
        merged.widen(rows(a=first).schema)
        with pytest.raises(DecodeError, match="field 'a"):
            merged.widen(rows(a=second).schema)
        assert merged.schema == rows(a=first).schema


def test_rows_without_columns_are_counted() -> None:
    assert MergedColumns(None).merge([], [0, 1]).num_rows == 2
