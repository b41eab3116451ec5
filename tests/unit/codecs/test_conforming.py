from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs.conforming import conform, offsets_and_items


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([1, None]), pa.int8(), [1, None]),
        (pa.array([2**60 + 1]), pa.float64(), [float(2**60)]),
        (pa.array([Decimal("1.50")]), pa.float64(), [1.5]),
        (pa.array(["a"]).dictionary_encode(), pa.string(), ["a"]),
        (pa.array([b"a"], pa.binary(1)), pa.binary(), [b"a"]),
        (pa.nulls(2), pa.list_(pa.int8()), [None, None]),
        (pa.array([[1, 2], None], pa.large_list(pa.int64())), pa.list_(pa.int8()), [[1, 2], None]),
        (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), pa.list_(pa.int8()), [[1, 2], None]),
        (
            pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
            pa.map_(pa.string(), pa.int8()),
            [[("a", 1)], None, []],
        ),
        (
            pa.array([{"b": 1}, None]),
            pa.struct([("a", pa.string()), ("b", pa.int8())]),
            [{"a": None, "b": 1}, None],
        ),
        (pa.array([{}, None], pa.struct([])), pa.struct([]), [{}, None]),
    ],
    ids=range(11),
)
def test_what_loses_nothing_is_converted(array: Any, kind: pa.DataType, expected: Any) -> None:
    for given in (array, pa.concat_arrays([array, array]).slice(len(array))):
        found = conform(given, kind, "f")
        found.validate(full=True)
        assert found.type == kind
        assert found.to_pylist() == expected


@pytest.mark.parametrize(
    ("array", "kind", "reason"),
    [
        (pa.array([300]), pa.int8(), "does not fit"),
        (pa.array([1.5]), pa.int8(), "does not fit"),
        (pa.array(["1"]), pa.int8(), "'f' is string"),
        (pa.array([1]), pa.string(), "'f' is int64"),
        (pa.array([True]), pa.int8(), "'f' is bool"),
        (pa.array([[300]]), pa.list_(pa.int8()), r"'f\[\]'"),
        (pa.array([{"ab": 1}]), pa.struct([("abc", pa.int8())]), "did you mean 'abc'"),
    ],
    ids=range(7),
)
def test_what_would_lose_something_is_refused(array: Any, kind: pa.DataType, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        conform(array, kind, "f")


def test_offsets_and_items_stand_alone() -> None:
    lists = pa.array([[9], [1, 2], None, [3]]).slice(1)
    offsets, items = offsets_and_items(lists)
    assert (offsets.to_pylist(), items.to_pylist()) == ([0, 2, 2, 3], [1, 2, 3])
