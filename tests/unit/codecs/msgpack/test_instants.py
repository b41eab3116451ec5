from __future__ import annotations

from typing import Any

import msgpack
import pyarrow as pa
import pytest
from msgspec.msgpack import Ext

from sabot.codecs.msgpack.instants import extensions, timestamp_array

NS = pa.timestamp("ns", "UTC")
US = pa.timestamp("us", "UTC")


def ext(seconds: int, nanoseconds: int) -> Ext:
    return Ext(-1, msgpack.Timestamp(seconds, nanoseconds).to_bytes())


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [(0, 0), (2**32 - 1, 0), (2**32, 0), (1, 999_999_999), (2**33, 5), (-1, 0), (-5, 7)],
)
def test_an_instant_is_read_and_written_to_the_nanosecond(seconds: int, nanoseconds: int) -> None:
    given = ext(seconds, nanoseconds)
    array = timestamp_array(NS, [given])
    assert array.cast(pa.int64()).to_pylist() == [seconds * 10**9 + nanoseconds]
    (written,) = extensions(array)
    assert written == given


def test_instants_beyond_python_s_years_are_read_and_written() -> None:
    given = [ext(2**38, 0), ext(-(2**38), 0)]
    array = timestamp_array(pa.timestamp("s", "UTC"), given)
    assert array.cast(pa.int64()).to_pylist() == [2**38, -(2**38)]
    assert extensions(array) == given


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_many_at_once_are_what_each_is_alone(unit: str) -> None:
    kind = pa.timestamp(unit, "UTC")
    given: list[Any] = [ext(2**32 + number, 0) for number in range(1000)]
    array = timestamp_array(kind, given)
    assert array.type == kind
    assert array.equals(pa.concat_arrays([timestamp_array(kind, [one]) for one in given]))
    with_null = timestamp_array(kind, [*given, None])
    assert with_null.slice(0, 1000).equals(array)
    assert with_null[1000].as_py() is None


@pytest.mark.parametrize("count", [1, 1000])
@pytest.mark.parametrize(
    "bad",
    [
        ext(2**32, 1),
        Ext(-1, b"\xff" * 8),
        Ext(-1, b"12345"),
        Ext(5, b"12345678"),
        Ext(-1, b"\xff" * 12),
    ],
)
def test_what_is_no_instant_of_the_unit_is_refused(bad: Ext, count: int) -> None:
    with pytest.raises(ValueError, match=r"digits below|no timestamp|a timestamp of|more than"):
        timestamp_array(US, [*[ext(2**32, 0)] * count, bad])


def test_an_instant_does_not_fit_a_column_without_a_time_zone() -> None:
    for count in (1, 1000):
        with pytest.raises(ValueError, match="no time zone"):
            timestamp_array(pa.timestamp("us"), [ext(2**32, 0)] * count)


def test_an_instant_beyond_the_unit_s_range_is_refused() -> None:
    for count in (1, 1000):
        with pytest.raises((pa.ArrowInvalid, OverflowError)):
            timestamp_array(NS, [ext(2**34 - 1, 0)] * count)
