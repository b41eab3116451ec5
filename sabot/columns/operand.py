"""What kind of value stands in a comparison, told without running anything again."""

from __future__ import annotations

import ast
import enum
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import pyarrow as pa

from sabot.columns.column import Column
from sabot.columns.sites import Span

__all__ = ["Kind", "Operands", "kind_of"]

_UNKNOWN: Any = object()


class Kind(enum.Enum):
    """What matters about a value that is compared by an operator."""

    PLAIN = "no Arrow data"
    COLUMN = "a column, which compares row by row"
    ARRAY = "a plain Arrow array"
    SCALAR = "an Arrow scalar"
    UNKNOWN = "not known"


def kind_of(value: object) -> Kind:
    """Return the kind of a value."""
    if type(value) is Column:
        return Kind.COLUMN
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return Kind.ARRAY
    return Kind.SCALAR if isinstance(value, pa.Scalar) else Kind.PLAIN


@dataclass(frozen=True, slots=True)
class Operands:
    """The values a piece of source can see at one moment.

    Attributes:
        names: Local, global and built-in names, in the order they are looked up.
        returned: What Python functions called from here gave back and which code it was,
            by the call's place.
        hidden: Local names whose value is not known at this moment.
        foresee: Whether to say of functions that have not run what they will give.
    """

    names: tuple[Mapping[str, Any], ...]
    returned: Mapping[Span, tuple[CodeType, Any]] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    foresee: bool = False

    def value(self, node: ast.expr) -> Any:
        """Return what an expression's value is, or a mark that it is not known."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.NamedExpr):
            return self.value(node.target)
        if isinstance(node, ast.Name):
            return self.name(node.id)
        for span in _spans(node):
            code, value = self.returned.get(span, (None, None))
            if code is not None and self._is_result(node, code):
                return value
        if isinstance(node, ast.Attribute):
            return _attribute(self.value(node.value), node.attr)
        if isinstance(node, ast.Subscript):
            return _item(self.value(node.value), self.value(node.slice))
        return _UNKNOWN

    def name(self, name: str) -> Any:
        """Return what a name stands for."""
        if name not in self.hidden:
            for scope in self.names:
                if name in scope:
                    return scope[name]
        return _UNKNOWN

    def kind(self, node: ast.expr) -> Kind:
        """Return the kind of an expression's value."""
        value = self.value(node)
        if value is not _UNKNOWN:
            return kind_of(value)
        match node:
            case ast.Call():
                return self._call(node)
            case ast.BinOp():
                return _computed([self.kind(node.left), self.kind(node.right)])
            case ast.UnaryOp():
                return Kind.PLAIN if isinstance(node.op, ast.Not) else self.kind(node.operand)
            case ast.BoolOp() | ast.IfExp():
                ways = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
                return _any([self.kind(each) for each in ways])
            case ast.Attribute():
                return self._part(node.value, node.attr in _ARRAYS_OF_ARRAYS)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Name() | ast.Await() | ast.Yield() | ast.YieldFrom() | ast.Starred():
                return Kind.UNKNOWN
        return Kind.PLAIN

    def _is_result(self, node: ast.expr, code: CodeType) -> bool:
        """Whether what came back is the expression's value, not that of a callback in it."""
        name = code.co_name
        if isinstance(node, ast.Attribute):
            return name in (node.attr, "__getattr__", "__getattribute__")
        if not isinstance(node, ast.Call):
            return name.startswith("__")
        callee = self.value(node.func)
        if callee is _UNKNOWN or isinstance(callee, partial):
            return True
        if _is_python(callee):
            return bool(callee.__code__ is code)
        # An object with a call of its own, or C code that calls back.
        return name == "__call__" or _passes_on(callee)

    def _part(self, base: ast.expr, arrow: bool) -> Kind:
        kind = self.kind(base)
        if kind in (Kind.ARRAY, Kind.SCALAR) and not arrow:
            return Kind.PLAIN
        return kind

    def _subscript(self, node: ast.Subscript) -> Kind:
        kind = self.kind(node.value)
        if kind is Kind.ARRAY and not isinstance(node.slice, ast.Slice):
            return Kind.SCALAR
        base = self.value(node.value)
        if isinstance(base, (pa.RecordBatch, pa.Table)):
            return Kind.UNKNOWN
        return kind

    def _call(self, node: ast.Call) -> Kind:
        callee = self.value(node.func)
        if callee is not _UNKNOWN:
            given = [self.kind(each) for each in node.args]
            return self._called(callee, given)
        if isinstance(node.func, ast.Attribute):
            return self._part(node.func.value, node.func.attr not in _PLAIN_METHODS)
        return Kind.UNKNOWN

    def _called(self, callee: Any, given: Iterable[Kind]) -> Kind:
        module = getattr(callee, "__module__", None) or ""
        name = getattr(callee, "__name__", "")
        if isinstance(callee, type):
            return Kind.ARRAY if issubclass(callee, (pa.Array, pa.ChunkedArray)) else Kind.PLAIN
        if _is_python(callee):
            if inspect.isgeneratorfunction(callee) or inspect.iscoroutinefunction(callee):
                return Kind.PLAIN
            if self.foresee and module == "pyarrow.compute" and name not in _EXPRESSIONS:
                return Kind.SCALAR if name in _AGGREGATES else Kind.ARRAY
            return Kind.UNKNOWN
        if isinstance(callee, partial):
            return Kind.UNKNOWN
        owner = kind_of(getattr(callee, "__self__", None))
        if owner in (Kind.ARRAY, Kind.SCALAR):
            return Kind.PLAIN if name in _PLAIN_METHODS else owner
        if module.partition(".")[0] == "pyarrow":
            return _MADE_BY_PYARROW.get(name, Kind.PLAIN)
        if _passes_on(callee):
            return _any([Kind.PLAIN, *given])
        return Kind.PLAIN


def _spans(node: ast.expr) -> list[Span]:
    last, end = node.end_lineno or 0, node.end_col_offset or 0
    spans = [(node.lineno, last, node.col_offset, end)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # A method called on a line of its own has its call placed at the method's name.
        name = node.func
        line = name.end_lineno or 0
        spans.append((line, last, (name.end_col_offset or 0) - len(name.attr), end))
    return spans


def _attribute(base: Any, name: str) -> Any:
    """Return an attribute if looking at it runs no Python code."""
    if base is _UNKNOWN or type(base) is Column:
        return _UNKNOWN
    static = inspect.getattr_static(base, name, _UNKNOWN)
    if static is _UNKNOWN or isinstance(static, property):
        return _UNKNOWN
    getter = getattr(type(static), "__get__", None)
    if isinstance(getter, FunctionType):
        return _UNKNOWN
    try:
        return getattr(base, name)
    except Exception:  # noqa: BLE001 - whatever a foreign getter raises, it tells nothing
        return _UNKNOWN


def _item(base: Any, key: Any) -> Any:
    """Return an item of a container that Python or Arrow itself defines."""
    arrow = isinstance(base, (pa.Array, pa.ChunkedArray)) or type(base) in _ARROW_TABLES
    if key is _UNKNOWN or not (arrow or type(base) in (dict, list, tuple, str)):
        return _UNKNOWN
    try:
        return base[key]
    except (KeyError, IndexError, TypeError):
        return _UNKNOWN


def _computed(kinds: list[Kind]) -> Kind:
    left, right = kinds
    if left in (Kind.COLUMN, Kind.PLAIN):
        return left if right is Kind.PLAIN or left is Kind.COLUMN else right
    return _any([left, Kind.ARRAY if right is Kind.COLUMN else right])


def _any(kinds: Iterable[Kind]) -> Kind:
    found = set(kinds)
    for kind in (Kind.ARRAY, Kind.SCALAR, Kind.COLUMN, Kind.UNKNOWN):
        if kind in found:
            return kind
    return Kind.PLAIN


def _is_python(callee: Any) -> bool:
    # Bound methods of compiled classes are of the same type as Python's own.
    return isinstance(getattr(callee, "__func__", callee), FunctionType)


def _passes_on(callee: Any) -> bool:
    """Whether a built-in function gives back one of the values it is given."""
    return getattr(callee, "__name__", "") in {"next", "max", "min", "getattr", "reduce", "copy"}


_ARROW_TABLES = (pa.RecordBatch, pa.Table)
_ARRAYS_OF_ARRAYS = {"values", "indices", "dictionary", "offsets", "keys", "items", "storage"}
_PLAIN_METHODS = frozenset(
    """as_py to_pylist tolist to_numpy to_pandas to_string equals buffers nbytes __len__
    get_total_buffer_size validate diff statistics __dlpack__ __array__ get""".split()
)
_EXPRESSIONS = frozenset({"scalar", "field"})
_AGGREGATES = frozenset(
    """all any approximate_median count count_all count_distinct first first_last index
    kurtosis last max mean min min_max product skew stddev sum tdigest variance""".split()
)
_MADE_BY_PYARROW = {
    "array": Kind.ARRAY,
    "arange": Kind.ARRAY,
    "asarray": Kind.ARRAY,
    "chunked_array": Kind.ARRAY,
    "concat_arrays": Kind.ARRAY,
    "nulls": Kind.ARRAY,
    "repeat": Kind.ARRAY,
    "from_arrays": Kind.PLAIN,
    "scalar": Kind.SCALAR,
    "call_function": Kind.ARRAY,
}
