"""`Column`: one column of a batch, with the operators plain Arrow arrays lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NoReturn, Self

import pyarrow as pa
import pyarrow.compute as pc

from sabot.columns.arithmetic import arithmetic, compare, logic, operand
from sabot.columns.literal import literal
from sabot.errors import SchemaMismatchError

__all__ = ["Column", "plain", "wrap"]

_array: Callable[[tuple[Any, ...], int], Any] = tuple.__getitem__


class Column(tuple[Any, ...]):
    """An Arrow array that compares and computes row by row.

    It goes wherever ``pyarrow.compute`` takes an array, has all methods and attributes
    of ``pyarrow.Array``, and its operators return columns again. Null stays null under
    comparison and arithmetic; a filter takes null as false. ``== None`` asks for null.

    Numbers are never wrong in silence: an integer overflow and a division by zero raise
    ``pyarrow.ArrowInvalid``, a comparison with a value of another kind raises
    `SchemaMismatchError`. What has no single answer for all rows (``if column:``,
    ``a and b``, ``not a``, ``1 < column < 5``) raises TypeError.

    Example:
        >>> amount = Column(pa.array([10.0, None, 3000.0]))
        >>> (amount > 1000).to_pylist()
        [False, None, True]
        >>> ((amount > 1000) & amount.isin([3000])).to_pylist()
        [False, False, True]
        >>> pc.sum(amount)
        <pyarrow.DoubleScalar: 3010.0>
    """

    # A tuple, because pyarrow.compute turns tuples (but no other foreign class) into
    # arrays, and asks them for `__arrow_array__` first, which costs nothing.
    __slots__ = ()

    # Above numpy's own, so that `ndarray < column` is left to this class.
    __array_priority__ = 1000.0

    def __new__(cls, array: pa.Array) -> Self:
        return tuple.__new__(cls, (array,))

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:  # noqa: A002
        array = _array(self, 0)
        return array if type is None else array.cast(type)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        values = _array(self, 0).to_numpy(zero_copy_only=False)
        return values if dtype is None else values.astype(dtype)

    def __getattr__(self, name: str) -> Any:
        value = getattr(_array(self, 0), name)
        if isinstance(value, pa.Array):
            return Column(value)
        return _wrapping(value) if callable(value) else value

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(_array(self, 0))})

    def __reduce__(self) -> tuple[Any, ...]:
        return (Column, (_array(self, 0),))

    def __repr__(self) -> str:
        return f"<Column {_array(self, 0)!r}>"

    __str__ = __repr__

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __len__(self) -> int:
        return len(_array(self, 0))

    def __iter__(self) -> Iterator[Any]:
        return iter(_array(self, 0))

    def __getitem__(self, key: Any) -> Any:
        value = _array(self, 0)[key]
        return Column(value) if isinstance(value, pa.Array) else value

    def __contains__(self, value: object) -> bool:
        """Whether any row holds ``value``; ``None`` asks for null."""
        if isinstance(value, pa.Scalar) and not value.is_valid:
            value = None
        return pc.any(compare("==", _array(self, 0), value)).as_py() is True

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"a column of {len(self)} rows is neither true nor false as a whole: combine "
            "conditions by & | ~ with each in parentheses (not by `and`, `or`, `not`, or "
            "`1 < column < 5`), ask for one of several values by .isin([...]), and for all "
            "rows by pc.any(column).as_py() or pc.all(column).as_py()"
        )

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return Column(compare("==", _array(self, 0), other))

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return Column(compare("!=", _array(self, 0), other))

    def __lt__(self, other: object) -> Column:  # type: ignore[override]
        return Column(compare("<", _array(self, 0), other))

    def __le__(self, other: object) -> Column:  # type: ignore[override]
        return Column(compare("<=", _array(self, 0), other))

    def __gt__(self, other: object) -> Column:  # type: ignore[override]
        return Column(compare(">", _array(self, 0), other))

    def __ge__(self, other: object) -> Column:  # type: ignore[override]
        return Column(compare(">=", _array(self, 0), other))

    def __and__(self, other: object) -> Column:
        return Column(logic("&", _array(self, 0), other))

    def __or__(self, other: object) -> Column:
        return Column(logic("|", _array(self, 0), other))

    def __xor__(self, other: object) -> Column:
        return Column(logic("^", _array(self, 0), other))

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Column:
        array = _array(self, 0)
        if array.type == pa.null():
            return Column(array.cast(pa.bool_()))
        if array.type == pa.bool_():
            return Column(pc.invert(array))
        if pa.types.is_integer(array.type):
            return Column(pc.bit_wise_not(array))
        raise SchemaMismatchError(f"~ on a column of {array.type}; it takes a condition")

    def __add__(self, other: object) -> Column:
        return Column(arithmetic("+", _array(self, 0), other, reflected=False))

    def __radd__(self, other: object) -> Column:
        return Column(arithmetic("+", _array(self, 0), other, reflected=True))

    def __sub__(self, other: object) -> Column:
        return Column(arithmetic("-", _array(self, 0), other, reflected=False))

    def __rsub__(self, other: object) -> Column:
        return Column(arithmetic("-", _array(self, 0), other, reflected=True))

    def __mul__(self, other: object) -> Column:
        return Column(arithmetic("*", _array(self, 0), other, reflected=False))

    def __rmul__(self, other: object) -> Column:
        return Column(arithmetic("*", _array(self, 0), other, reflected=True))

    def __truediv__(self, other: object) -> Column:
        return Column(arithmetic("/", _array(self, 0), other, reflected=False))

    def __rtruediv__(self, other: object) -> Column:
        return Column(arithmetic("/", _array(self, 0), other, reflected=True))

    def __floordiv__(self, other: object) -> Column:
        return Column(arithmetic("//", _array(self, 0), other, reflected=False))

    def __rfloordiv__(self, other: object) -> Column:
        return Column(arithmetic("//", _array(self, 0), other, reflected=True))

    def __mod__(self, other: object) -> Column:
        return Column(arithmetic("%", _array(self, 0), other, reflected=False))

    def __rmod__(self, other: object) -> Column:
        return Column(arithmetic("%", _array(self, 0), other, reflected=True))

    def __pow__(self, other: object) -> Column:
        return Column(arithmetic("**", _array(self, 0), other, reflected=False))

    def __rpow__(self, other: object) -> Column:
        return Column(arithmetic("**", _array(self, 0), other, reflected=True))

    def __neg__(self) -> Column:
        return Column(pc.negate_checked(_array(self, 0)))

    def __pos__(self) -> Column:
        return self

    def __abs__(self) -> Column:
        return Column(pc.abs_checked(_array(self, 0)))

    def isin(self, values: Any) -> Column:
        """Say of each row whether it is one of ``values``, never null.

        A null row is one of them only if ``None`` is given too. Values of another kind
        than the column raise `SchemaMismatchError`.
        """
        array = _array(self, 0)
        if array.type == pa.null():
            asked = any(value is None or value is pa.NA for value in values)
            return Column(pa.repeat(pa.scalar(asked, pa.bool_()), len(array)))
        type_ = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
        value_set = values if isinstance(values, pa.Array) else _value_set(values, type_)
        if type_ != value_set.type and not pa.types.is_null(value_set.type):
            common = pa.float64() if pa.types.is_floating(value_set.type) else value_set.type
            array = pc.cast(array, common, safe=False)
            value_set = value_set.cast(common)
        return Column(pc.is_in(array, value_set=value_set))

    def between(self, low: object, high: object) -> Column:
        """Say whether ``low <= row <= high``, both ends included."""
        return (self >= low) & (self <= high)

    def fill_null(self, fill_value: object) -> Column:
        """Put ``fill_value``, a plain value or a column, where a row is null."""
        return Column(pc.coalesce(*_filled(_array(self, 0), fill_value)))

    def index(self, *args: Any, **kwargs: Any) -> Any:
        """Return the first row that holds a value, as ``pyarrow.Array.index`` does."""
        return _array(self, 0).index(*args, **kwargs)

    def count(self, mode: str = "only_valid") -> Any:
        """Count the rows that are not null, as ``pyarrow.compute.count`` does."""
        return pc.count(_array(self, 0), mode=mode)


def plain(value: Any) -> Any:
    """Return the array of a column; any other value as it is."""
    return _array(value, 0) if type(value) is Column else value


def wrap(value: Any) -> Any:
    """Return an array as a column; any other value as it is."""
    return Column(value) if isinstance(value, pa.Array) else value


def _wrapping(method: Any) -> Any:
    @wraps(method, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        return wrap(method(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()}))

    return call


def _value_set(values: Any, type_: pa.DataType) -> pa.Array:
    if type(values) is Column:
        return _array(values, 0)
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    if isinstance(values, str):
        raise SchemaMismatchError(f".isin({values!r}); give a list: .isin([{values!r}])")
    scalars = [literal(value, type_) for value in values if value is not None]
    rest = [None] if any(value is None for value in values) else []
    types = {scalar.type for scalar in scalars}
    target = type_ if types <= {type_} else _common(types | {type_})
    return pa.array([scalar.as_py() for scalar in scalars] + rest, target)


def _common(types: set[pa.DataType]) -> pa.DataType:
    schemas = [pa.schema([("value", type_)]) for type_ in types]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaMismatchError(f".isin() with values of {len(types)} types") from error


def _filled(array: pa.Array, value: object) -> tuple[Any, Any]:
    given = operand(value, array, symbol="fill_null")
    if given is None:
        if array.type == pa.null():
            given = pa.scalar(value)
            return array.cast(given.type), given
        given = literal(value, array.type)
    return array, given
