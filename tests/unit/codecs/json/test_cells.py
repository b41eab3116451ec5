from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sabot.codecs import JsonCodec


def written(kind: pa.DataType, value: Any) -> Any:
    """Write the value in a column, and in a list and a struct within a sliced column."""
    codec = JsonCodec()
    nested = pa.struct([("n", pa.list_(kind))])
    columns = pa.RecordBatch.from_arrays(
        [
            pa.array([value, value, None, value], kind),
            pa.array([{"n": [value] * 5}, {"n": [value, None]}, None, {"n": None}], nested),
        ],
        names=["a", "b"],
    )
    encoded = codec.encode(columns.slice(1))
    assert not encoded.failures
    first, second, third = (json.loads(line or b"") for line in encoded.values)
    assert first == {"a": first["a"], "b": {"n": [first["a"], None]}}
    assert second == {"a": None, "b": None}
    assert third == {"a": first["a"], "b": {"n": None}}
    return first["a"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.float64(), float("nan"), None),
        (pa.float64(), float("-inf"), None),
        (pa.float64(), 1e22, 1e22),
        (pa.float16(), 0.5, 0.5),
        (pa.timestamp("ms"), datetime(2024, 5, 6, 7), "2024-05-06T07:00:00.000"),  # noqa: DTZ001
        (pa.timestamp("s", "Europe/Berlin"), 0, "1970-01-01T00:00:00Z"),
        (pa.date32(), date(2024, 5, 6), "2024-05-06"),
        (pa.time64("us"), time(1, 2, 3, 4), "01:02:03.000004"),
        (pa.duration("ms"), timedelta(seconds=1), 1000),
        (pa.binary(), b"xy", "eHk="),
        (pa.binary_view(), b"xy", "eHk="),
        (pa.string_view(), "xy", "xy"),
        (pa.map_(pa.string(), pa.date32()), [("a", date(2024, 5, 6))], {"a": "2024-05-06"}),
        (pa.dictionary(pa.int32(), pa.string()), "x", "x"),
        (pa.list_(pa.date32(), 1), [date(2024, 5, 6)], ["2024-05-06"]),
        (pa.large_list(pa.date32()), [date(2024, 5, 6)], ["2024-05-06"]),
    ],
)
def test_each_type_has_its_json(kind: pa.DataType, value: Any, expected: Any) -> None:
    assert written(kind, value) == expected


def test_a_decimal_keeps_its_digits() -> None:
    column = pa.array([Decimal("0.10"), Decimal("12345678901234567890.12")], pa.decimal128(30, 2))
    encoded = JsonCodec().encode(pa.RecordBatch.from_arrays([column], names=["a"]))
    assert encoded.values == [b'{"a":0.10}', b'{"a":12345678901234567890.12}']
