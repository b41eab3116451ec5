"""What ``== < + & …`` mean between a column and another value.

Comparisons and arithmetic keep null as null. ``&``, ``|`` and ``~`` on booleans follow
Kleene: false and null is false, true or null is true. Integer arithmetic is checked, so
that an overflow or a division by zero raises instead of passing on a wrong number; what
divides integers by ``/`` is a double, as in Python.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.columns.literal import literal
from sabot.errors import SchemaMismatchError

__all__ = ["Operand", "arithmetic", "compare", "logic", "operand"]

Operand = Any
"""A ``pa.Array`` or a ``pa.Scalar``."""

_FUNCTIONS = {
    "==": pc.get_function("equal"),
    "!=": pc.get_function("not_equal"),
    "<": pc.get_function("less"),
    "<=": pc.get_function("less_equal"),
    ">": pc.get_function("greater"),
    ">=": pc.get_function("greater_equal"),
    "+": pc.get_function("add_checked"),
    "-": pc.get_function("subtract_checked"),
    "*": pc.get_function("multiply_checked"),
    "/": pc.get_function("divide_checked"),
    "**": pc.get_function("power_checked"),
    "&": pc.get_function("and_kleene"),
    "|": pc.get_function("or_kleene"),
    "^": pc.get_function("xor"),
}
_BITS = {
    "&": pc.get_function("bit_wise_and"),
    "|": pc.get_function("bit_wise_or"),
    "^": pc.get_function("bit_wise_xor"),
}
_PLAIN = frozenset({bool, float, int, str})
# Comparing the ids of types costs a tenth of comparing types.
_NULL_ID = pa.null().id
_BOOL_ID = pa.bool_().id
_BOOL = pa.bool_()
_INT = pa.int64()
_DOUBLE = pa.float64()


def operand(other: object, column: pa.Array, *, symbol: str) -> Operand | None:
    """Return what stands on the other side as Arrow data, ``None`` for a plain value.

    Raises:
        SchemaMismatchError: For an Expression, a list, or as many values as there are
            no rows.
    """
    if isinstance(other, pa.Scalar):
        return other
    if isinstance(other, pc.Expression):
        raise SchemaMismatchError(
            f"{symbol} between a column and the expression {other}: an expression has no "
            "values yet; write both sides by b['name'], or both by pc.field('name')"
        )
    if isinstance(other, (list, tuple, set, frozenset, dict, range)) and not hasattr(
        other, "__arrow_array__"
    ):
        raise SchemaMismatchError(
            f"{symbol} between a column and a {type(other).__name__}; write "
            "b['name'].isin([...]) to ask for one of several values, or pass a pa.array"
        )
    array = _array(other)
    if array is not None and len(array) != len(column):
        raise SchemaMismatchError(
            f"{symbol} between a column of {len(column)} rows and {len(array)} values"
        )
    return array


def _array(other: Any) -> pa.Array | None:
    if isinstance(other, pa.Array):
        return other
    if isinstance(other, pa.ChunkedArray):
        return other.combine_chunks()
    if hasattr(other, "__arrow_array__") or bool(getattr(other, "ndim", False)):
        array = pa.array(other)
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return None


def compare(symbol: str, column: pa.Array, other: object) -> pa.Array:
    """Compare each row; ``== None`` and ``!= None`` ask for null itself."""
    if other is None:
        return _compare_none(symbol, column)
    type_ = column.type
    right = None if type(other) in _PLAIN else operand(other, column, symbol=symbol)
    if right is None:
        right = literal(other, type_)
    if type_.id == _NULL_ID:
        return pa.nulls(len(column), _BOOL)
    try:
        return _FUNCTIONS[symbol].call([column, right])
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise SchemaMismatchError(
            f"{symbol} between a column of {type_} and {right.type}: {_first_line(error)}"
        ) from error


def _compare_none(symbol: str, column: pa.Array) -> pa.Array:
    if symbol == "==":
        return pc.is_null(column)
    if symbol == "!=":
        return pc.is_valid(column)
    raise SchemaMismatchError(
        f"{symbol} between a column and None; ask for null by b['name'].is_null()"
    )


def logic(symbol: str, column: pa.Array, other: object) -> pa.Array:
    """Combine truth values, or the bits of integers."""
    right = pa.scalar(None, _BOOL) if other is None else operand(other, column, symbol=symbol)
    if right is None:
        right = literal(other, column.type)
    left = column.cast(_BOOL) if column.type.id == _NULL_ID else column
    if right.type.id == _NULL_ID:
        right = right.cast(left.type)
    functions = _FUNCTIONS if left.type.id == right.type.id == _BOOL_ID else _BITS
    try:
        return functions[symbol].call([left, right])
    except pa.ArrowNotImplementedError as error:
        raise SchemaMismatchError(
            f"{symbol} between {left.type} and {right.type}; it takes two conditions (put "
            f"each in parentheses: (b['x'] > 1) {symbol} (b['y'] == 'a')) or two columns of "
            "integers"
        ) from error


def arithmetic(symbol: str, column: pa.Array, other: object, *, reflected: bool) -> pa.Array:
    """Compute row by row; ``reflected`` puts ``other`` on the left."""
    right: Operand
    if other is None:
        right = pa.scalar(None, column.type)
    else:
        right = None if type(other) in _PLAIN else operand(other, column, symbol=symbol)
        if right is None:
            right = literal(other, _literal_type(column.type, other))
    if column.type.id == _NULL_ID and isinstance(right, pa.Scalar):
        return pa.nulls(len(column))
    left, right = (right, column) if reflected else (column, right)
    try:
        return _compute(symbol, left, right)
    except pa.ArrowNotImplementedError as error:
        raise SchemaMismatchError(
            f"{symbol} between {left.type} and {right.type}: {_first_line(error)}"
        ) from error


def _literal_type(column: pa.DataType, other: object) -> pa.DataType:
    """Choose so that the result is as wide as Python's would be, not as the column."""
    if pa.types.is_integer(column) and not isinstance(other, bool):
        if isinstance(other, float):
            return _DOUBLE
        if not pa.types.is_uint64(column):
            return _INT
    return column


def _compute(symbol: str, left: Operand, right: Operand) -> pa.Array:
    if symbol in ("//", "%"):
        return _floor(symbol, left, right)
    if symbol == "/" and _is_integer(left) and _is_integer(right):
        left = left.cast(_DOUBLE, safe=False)
    if symbol == "+" and _is_text(left) and _is_text(right):
        return pc.binary_join_element_wise(left, right, "")
    return _FUNCTIONS[symbol].call([left, right])


def _floor(symbol: str, left: Operand, right: Operand) -> pa.Array:
    """Divide downwards as Python does; Arrow's own division of integers cuts towards 0."""
    quotient = pc.divide_checked(left, right)
    if not (_is_integer(left) and _is_integer(right)):
        quotient = pc.floor(quotient)
        if symbol == "//":
            return quotient
        return pc.subtract_checked(left, pc.multiply_checked(quotient, right))
    rest = pc.subtract_checked(left, pc.multiply_checked(quotient, right))
    zero = pa.scalar(0, rest.type)
    above = pc.and_(pc.not_equal(rest, zero), pc.xor(pc.less(rest, zero), pc.less(right, zero)))
    if symbol == "//":
        return pc.if_else(above, pc.subtract(quotient, pa.scalar(1, quotient.type)), quotient)
    return pc.if_else(above, pc.add(rest, right), rest)


def _is_integer(value: Operand) -> bool:
    return bool(pa.types.is_integer(value.type))


def _is_text(value: Operand) -> bool:
    return bool(pa.types.is_string(value.type) or pa.types.is_large_string(value.type))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
