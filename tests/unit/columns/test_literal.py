from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sabot.columns.literal import literal
from sabot.errors import SchemaMismatchError

NOON = dt.datetime(2026, 1, 2, 12)  # noqa: DTZ001 - naive on purpose
NOON_UTC = NOON.replace(tzinfo=dt.UTC)


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "column", "expected"),
    [
        (1, pa.float64(), pa.scalar(1.0)),
        (1, pa.int8(), pa.scalar(1, pa.int8())),
        (1.0, pa.int64(), pa.scalar(1)),
        (1.5, pa.int64(), pa.scalar(1.5)),
        (300, pa.int8(), pa.scalar(300)),
        (2**70, pa.int64(), pa.scalar(Decimal(2**70))),
        (-1, pa.uint64(), pa.scalar(Decimal(-1))),
        (0.5, pa.float32(), pa.scalar(0.5, pa.float32())),
        (0.1, pa.float32(), pa.scalar(0.1)),
        (Decimal("1.25"), pa.decimal128(10, 2), pa.scalar(Decimal("1.25"))),
        ("A", pa.string(), pa.scalar("A")),
        ("A", pa.large_string(), pa.scalar("A", pa.large_string())),
        ("A", pa.dictionary(pa.int32(), pa.string()), pa.scalar("A")),
        (Colour.RED, pa.string(), pa.scalar("red")),
        (b"A", pa.binary(), pa.scalar(b"A")),
        (b"AB", pa.binary(2), pa.scalar(b"AB")),
        (True, pa.bool_(), pa.scalar(True)),
        (NOON, pa.timestamp("ms"), pa.scalar(NOON)),
        (NOON_UTC, pa.timestamp("s", "UTC"), pa.scalar(NOON_UTC)),
        (dt.date(2026, 1, 2), pa.timestamp("ms"), pa.scalar(dt.datetime(2026, 1, 2))),  # noqa: DTZ001
        (dt.date(2026, 1, 2), pa.date32(), pa.scalar(dt.date(2026, 1, 2))),
        (dt.timedelta(1), pa.duration("s"), pa.scalar(dt.timedelta(1))),
        (dt.time(12), pa.time64("us"), pa.scalar(dt.time(12))),
        ("anything", pa.null(), pa.scalar(None)),
    ],
)
def test_a_value_takes_the_type_the_column_needs(value: Any, column: Any, expected: Any) -> None:
    made = literal(value, column)
    assert made.equals(expected)
    assert made.type == expected.type


@pytest.mark.parametrize(
    ("value", "column"),
    [
        (1, pa.string()),
        ("1", pa.int64()),
        (True, pa.int64()),
        (1, pa.bool_()),
        ("2026-01-02", pa.timestamp("ms")),
        (NOON_UTC, pa.timestamp("ms")),
        (NOON, pa.timestamp("ms", "UTC")),
        (dt.date(2026, 1, 2), pa.timestamp("ms", "UTC")),
        (object(), pa.int64()),
        ([1], pa.int64()),
        (1, pa.list_(pa.int64())),
    ],
)
def test_a_value_of_another_kind_is_refused_with_both_types(value: Any, column: Any) -> None:
    with pytest.raises(SchemaMismatchError, match="does not go with") as caught:
        literal(value, column)
    assert str(column) in str(caught.value)


def test_zero_and_minus_zero_are_not_taken_for_one_another() -> None:
    assert str(literal(0.0, pa.float64()).as_py()) == "0.0"
    assert str(literal(-0.0, pa.float64()).as_py()) == "-0.0"


def test_equal_values_of_other_classes_are_kept_apart() -> None:
    assert literal(1, pa.float64()).as_py() == 1.0
    with pytest.raises(SchemaMismatchError):
        literal(True, pa.float64())
