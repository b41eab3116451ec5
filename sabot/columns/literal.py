# ruff: noqa: ARG001 - all makers take the value and the column's type
"""Plain Python values as Arrow scalars of the type a column needs.

An untyped ``pa.scalar`` looks for pandas each time, which costs more than the comparison
it is made for, and chooses a type without knowing the column: both are avoided here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sabot.errors import SchemaMismatchError

__all__ = ["literal"]

_CACHE_LIMIT = 4096

_cache: dict[tuple[Any, type, object], pa.Scalar] = {}

_INT_TYPE, _FLOAT_TYPE = pa.int64(), pa.float64()


def literal(value: object, type_: pa.DataType) -> pa.Scalar:
    """Return ``value`` as a scalar to compute with beside a column of ``type_``.

    The value is never rounded to fit: an integer too large for the column becomes a
    decimal, a fraction beside integers stays a double.

    Raises:
        SchemaMismatchError: If no value of this kind can be compared with the column.

    Example:
        >>> literal(1000, pa.float64()).type, literal("A", pa.large_string()).type
        (DataType(double), DataType(large_string))
        >>> literal("A", pa.int64())
        Traceback (most recent call last):
            ...
        sabot.errors.SchemaMismatchError: a column of int64 does not go with 'A' of type str
    """
    kind = value.__class__
    key = (type_, kind, value)
    try:
        found = _cache.get(key)
    except TypeError:  # not hashable
        raise mismatch(value, type_) from None
    if found is not None:
        return found
    made = _make(value, type_)
    if value or kind is not float:  # 0.0 and -0.0 are equal keys
        if len(_cache) >= _CACHE_LIMIT:
            _cache.clear()
        _cache[key] = made
    return made


def mismatch(value: object, type_: pa.DataType) -> SchemaMismatchError:
    """Return the error for a value that does not go with a column."""
    text = repr(value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return SchemaMismatchError(
        f"a column of {type_} does not go with {shown} of type {type(value).__name__}"
    )


def _make(value: object, type_: pa.DataType) -> pa.Scalar:
    value = _plain(value)
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    for accepts, make in _MAKERS:
        if accepts(type_):
            try:
                made = make(value, type_)
            except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError):
                break
            if made is None:
                break
            return made
    raise mismatch(value, type_)


def _plain(value: Any) -> object:
    """Return the Python value behind a numpy scalar or an enum of text or numbers."""
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value)
    if hasattr(value, "dtype") and hasattr(value, "item"):
        return value.item()
    if isinstance(value, int) and type(value) not in (int, bool):
        return int(value)
    return value


def _boolean(value: object, type_: pa.DataType) -> pa.Scalar | None:
    return pa.scalar(value, type_) if isinstance(value, bool) else None


def _integer(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            return pa.scalar(value, _FLOAT_TYPE)
        value = int(value)
    if isinstance(value, int):
        if _integer_fits(value, type_):
            return pa.scalar(value, type_)
        if _integer_fits(value, _INT_TYPE) and not pa.types.is_uint64(type_):
            return pa.scalar(value, _INT_TYPE)
        return _decimal_scalar(Decimal(value))
    return _decimal_scalar(value) if isinstance(value, Decimal) else None


def _integer_fits(value: int, type_: pa.DataType) -> bool:
    if pa.types.is_unsigned_integer(type_):
        return 0 <= value < 1 << int(type_.bit_width)
    half = 1 << (int(type_.bit_width) - 1)
    return -half <= value < half


def _floating(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    number = float(value)
    if pa.types.is_float64(type_):
        return pa.scalar(number, type_)
    narrow = pa.scalar(number, _FLOAT_TYPE).cast(type_, safe=False)
    same = narrow.cast(_FLOAT_TYPE).as_py() == number
    return narrow if same else pa.scalar(number, _FLOAT_TYPE)


def _decimal(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return pa.scalar(value, _FLOAT_TYPE)
    if isinstance(value, int):
        value = Decimal(value)
    return _decimal_scalar(value) if isinstance(value, Decimal) else None


def _decimal_scalar(value: Decimal) -> pa.Scalar | None:
    if not value.is_finite():
        return None
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale, 1)
    if precision <= 38:
        return pa.scalar(value, pa.decimal128(precision, scale))
    return pa.scalar(value, pa.decimal256(precision, scale)) if precision <= 76 else None


def _text(value: object, type_: pa.DataType) -> pa.Scalar | None:
    return pa.scalar(value, type_) if isinstance(value, str) else None


def _binary(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        return None
    if pa.types.is_fixed_size_binary(type_):
        type_ = pa.binary()
    return pa.scalar(bytes(value), type_)


def _timestamp(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, dt.timedelta):
        return pa.scalar(value, pa.duration("us"))
    if not isinstance(value, dt.datetime):
        if type_.tz is not None or not isinstance(value, dt.date):
            return None
        value = dt.datetime.combine(value, dt.time())
    if (value.tzinfo is None) != (type_.tz is None):
        # Taking one for the other would move every row by the zone's offset.
        raise SchemaMismatchError(
            f"a column of {type_} does not go with {value!r}: one has a time zone and the "
            "other has none; give both or neither"
        )
    return pa.scalar(value, pa.timestamp("us", type_.tz))


def _date(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, dt.datetime):
        return pa.scalar(value, pa.timestamp("us")) if value.tzinfo is None else None
    if isinstance(value, dt.timedelta):
        return pa.scalar(value, pa.duration("us"))
    return pa.scalar(value, type_) if isinstance(value, dt.date) else None


def _time(value: object, type_: pa.DataType) -> pa.Scalar | None:
    return pa.scalar(value, pa.time64("us")) if isinstance(value, dt.time) else None


def _duration(value: object, type_: pa.DataType) -> pa.Scalar | None:
    if isinstance(value, dt.timedelta):
        return pa.scalar(value, pa.duration("us"))
    return pa.scalar(value, _INT_TYPE) if type(value) is int else None


def _null(value: object, type_: pa.DataType) -> pa.Scalar | None:
    # A column without a single value yet has no type to judge by: anything goes, and
    # every row of the outcome is null.
    return pa.scalar(None, pa.null())


def _is_text(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
    )


def _is_binary(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_fixed_size_binary(type_)
        or pa.types.is_binary_view(type_)
    )


_MAKERS: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[object, pa.DataType], pa.Scalar | None]], ...
] = (
    (pa.types.is_floating, _floating),
    (_is_text, _text),
    (pa.types.is_integer, _integer),
    (pa.types.is_boolean, _boolean),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date, _date),
    (pa.types.is_decimal, _decimal),
    (_is_binary, _binary),
    (pa.types.is_time, _time),
    (pa.types.is_duration, _duration),
    (pa.types.is_null, _null),
)
