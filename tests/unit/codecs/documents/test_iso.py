from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sabot.codecs.documents.iso import as_iso_text
from sabot.codecs.documents.unwritable import Unwritable

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FIRST, LAST = -62_167_219_200, 253_402_300_799
INT64 = st.integers(-(2**63), 2**63 - 1)
# Random integers of 64 bits would hardly ever be within the years of a coarse unit.
SECONDS = st.integers(FIRST - 3, FIRST + 3) | st.integers(LAST - 3, LAST + 3) | INT64
FIRST_READ_NS = -9_223_372_036 * 10**9


def counts(kind: pa.DataType, values: list[int | None]) -> pa.Array:
    return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


def texts(array: pa.Array) -> list[str | None]:
    """Return the texts, ``None`` for what has none."""
    found: Any = as_iso_text(array)
    values = found if isinstance(found, list) else found.to_pylist()
    return [None if isinstance(value, Unwritable) else value for value in values]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(PER_SECOND)), st.booleans(), SECONDS | INT64, st.integers(0, 10**9 - 1))
@example("s", True, 2**63 - 1, 0)
@example("us", True, -(2**63), 0)
@example("ns", False, -(2**63), 0)
@example("ns", True, FIRST_READ_NS - 1, 0)
def test_a_timestamp_is_its_own_text_or_none_whatever_its_64_bits(
    unit: str, instant: bool, seconds: int, nanoseconds: int
) -> None:
    per = PER_SECOND[unit]
    count = seconds * per + nanoseconds * per // 10**9
    if not -(2**63) <= count < 2**63:
        count = seconds
    kind = pa.timestamp(unit, "UTC" if instant else None)
    both = texts(counts(kind, [None, count, 0]))
    [text] = texts(counts(kind, [count]))
    assert both[1] == text
    if FIRST <= count // per <= LAST:
        assert text is not None
        assert text.endswith("Z") == instant
        if unit == "ns" and count < FIRST_READ_NS:
            # Arrow reads no text of the one second of which 64 bits hold the end alone.
            fraction = count - (FIRST_READ_NS - 10**9)
            assert text.removesuffix("Z") == f"1677-09-21T00:12:43.{fraction:09d}"
        else:
            assert pa.array([text]).cast(kind) == counts(kind, [count])
    else:
        assert text is None


@settings(max_examples=200, deadline=None)
@given(st.integers(-(2**31), 2**31 - 1) | st.integers(-719_530, -719_526))
@example(2_932_896)
@example(2_932_897)
def test_a_date_is_its_own_text_or_none(days: int) -> None:
    [text] = texts(counts(pa.date32(), [days]))
    [wide] = texts(counts(pa.date64(), [days * 86_400_000]))
    assert text == wide
    if -719_528 <= days <= 2_932_896:
        assert pa.array([text]).cast(pa.date32()) == counts(pa.date32(), [days])
    else:
        assert text is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(PER_SECOND)), INT64 | st.integers(-2, 86_402), st.integers(0, 10**9))
def test_a_time_is_its_own_text_or_none(unit: str, count: int, fraction: int) -> None:
    if unit in ("s", "ms"):
        kind, count = pa.time32(unit), count % 2**32 - 2**31
    else:
        kind = pa.time64(unit)
    if abs(count) < 90_000:
        count = count * PER_SECOND[unit] + fraction % PER_SECOND[unit]
        count = min(count, 2**31 - 1) if kind.bit_width == 32 else count
    [text] = texts(counts(kind, [count]))
    if 0 <= count < 86_400 * PER_SECOND[unit]:
        assert text is not None
        hours, minutes, seconds = text.split(":")
        whole, _, digits = seconds.partition(".")
        total = int(hours) * 3600 + int(minutes) * 60 + int(whole)
        assert total * PER_SECOND[unit] + int(digits or 0) == count
    else:
        assert text is None


@pytest.mark.parametrize(
    ("kind", "count", "reason"),
    [
        (pa.timestamp("s"), 2**63 - 1, f"{2**63 - 1} s since 1970 are outside the years 0000 to"),
        (pa.date64(), 2**62, f"{2**62} ms since 1970 are outside the years 0000 to 9999"),
        (pa.time32("s"), 86_400, "86400 s since midnight are not within a day"),
    ],
)
def test_what_has_no_text_says_why(kind: pa.DataType, count: int, reason: str) -> None:
    found: Any = as_iso_text(counts(kind, [0, count]))
    assert reason in str(found[1].error)


def test_slices_and_nulls_beyond_do_not_matter() -> None:
    column = counts(pa.timestamp("us", "Europe/Berlin"), [2**62, 0, None])
    assert texts(column.slice(1)) == ["1970-01-01T00:00:00.000000Z", None]
    masked = pa.Array.from_buffers(
        pa.timestamp("s"), 1, [pa.py_buffer(b"\0"), pa.array([2**62]).buffers()[1]]
    )
    assert texts(masked) == [None]
    assert isinstance(as_iso_text(masked), pa.Array)


def test_python_reads_the_same_instant() -> None:
    [text] = texts(pa.array([datetime(2024, 5, 6, 7, tzinfo=UTC)], pa.timestamp("s", "UTC")))
    assert text is not None
    assert datetime.fromisoformat(text) == datetime(2024, 5, 6, 7, tzinfo=UTC)
