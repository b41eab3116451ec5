"""``--where``: a condition over named values, in Python's words and nothing else of it.

Comparisons, ``in``, ``and``, ``or``, ``not``, numbers, texts, ``None``, lists and
tuples. The text is parsed, never evaluated by Python: there are no calls, no attributes
and no arithmetic.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sabot.errors import ConfigurationError, nearest

__all__ = ["Condition", "parse_where"]

Values = Mapping[str, Any]
Condition = Callable[[Values], bool]
_Term = Callable[[Values], Any]

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_ALLOWED = "comparisons, in, and, or, not, numbers, texts, None, lists"
_MOST = 10_000


def parse_where(text: str, names: Collection[str]) -> Condition:
    """Return the condition a text states.

    A comparison of values that cannot be compared, such as a missing offset with a
    number, is false.

    Args:
        text: The condition.
        names: What it may name.

    Raises:
        ConfigurationError: If it is no such condition; says what is allowed.

    Example:
        >>> where = parse_where("error == 'KeyError' and 10 <= offset < 20", ["error", "offset"])
        >>> where({"error": "KeyError", "offset": 12}), where({"error": "KeyError", "offset": None})
        (True, False)
        >>> parse_where("eror == 'KeyError'", ["error", "offset"])
        Traceback (most recent call last):
        ...
        sabot.errors.ConfigurationError: --where names 'eror'; there are only 'error', 'offset';
        did you mean 'error'?
    """
    if len(text) > _MOST:
        raise ConfigurationError(f"--where is longer than {_MOST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        term = _term(tree.body, names)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"--where {text!r} is not understood ({error}); allowed are {_ALLOWED}"
        ) from None
    return lambda values: bool(term(values))


def _term(node: ast.expr, names: Collection[str]) -> _Term:
    if isinstance(node, ast.Constant) and not isinstance(node.value, complex | type(...)):
        value = node.value
        return lambda _: value
    if isinstance(node, ast.Name):
        return _name(node.id, names)
    if isinstance(node, ast.List | ast.Tuple):
        items = [_term(item, names) for item in node.elts]
        return lambda values: [item(values) for item in items]
    if isinstance(node, ast.BoolOp):
        parts = [_term(part, names) for part in node.values]
        judge = all if isinstance(node.op, ast.And) else any
        return lambda values: judge(part(values) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _term(node.operand, names)
        return lambda values: not inner(values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _negative(node)
    if isinstance(node, ast.Compare):
        return _comparison(node, names)
    raise ConfigurationError(
        f"--where uses {ast.unparse(node)!r}, which is not allowed; allowed are {_ALLOWED}"
    )


def _name(name: str, names: Collection[str]) -> _Term:
    if name not in names:
        listed = ", ".join(map(repr, names))
        raise ConfigurationError(
            f"--where names {name!r}; there are only {listed}{nearest(name, names)}"
        )
    return lambda values: values[name]


def _negative(node: ast.UnaryOp) -> _Term:
    inner = node.operand
    if not isinstance(inner, ast.Constant) or not isinstance(inner.value, int | float):
        raise ConfigurationError(f"--where uses {ast.unparse(node)!r}; only numbers are negative")
    value = -inner.value
    return lambda _: value


def _comparison(node: ast.Compare, names: Collection[str]) -> _Term:
    terms = [_term(part, names) for part in (node.left, *node.comparators)]
    checks = [_COMPARISONS[type(each)] for each in node.ops]

    def compare(values: Values) -> bool:
        found = [term(values) for term in terms]
        try:
            return all(
                check(one, other)
                for check, one, other in zip(checks, found, found[1:], strict=False)
            )
        except TypeError:
            return False

    return compare
