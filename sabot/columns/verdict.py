"""Whether a comparison is one of rows, one of plain values, or a trap."""

from __future__ import annotations

import ast
from pathlib import Path
from types import CodeType
from typing import Any

import pyarrow as pa

from sabot.columns.operand import Kind, Operands, kind_of
from sabot.columns.sites import Site

__all__ = ["harmless", "judge"]


def harmless(site: Site, seen: Operands) -> bool:
    """Whether a site has to do with Arrow data at no time."""
    node = site.expression()
    if site.kind == "truth":
        return node is not None and seen.kind(node) is Kind.PLAIN
    if not isinstance(node, ast.Compare):
        return False
    return all(seen.kind(each) is Kind.PLAIN for each in (node.left, *node.comparators))


def judge(site: Site, seen: Operands, *, certain: bool = False) -> str | None:
    """Return what is wrong with a site, ``None`` if nothing.

    With ``certain``, only what no value that is still unknown could make right.
    """
    node = site.expression()
    if site.kind == "truth":
        kind = seen.kind(node) if node is not None else Kind.UNKNOWN
        value = seen.value(node) if node is not None else None
        wrong = kind is Kind.ARRAY or (
            isinstance(value, pa.Scalar) and not isinstance(value, pa.BooleanScalar)
        )
        return _truth_message(site, kind, node) if wrong else None
    if not isinstance(node, ast.Compare):
        return None if certain else _judge_without_source(site, seen)
    kinds = [seen.kind(each) for each in (node.left, *node.comparators)]
    for operator, left, right in zip(node.ops, kinds, kinds[1:], strict=False):
        if isinstance(operator, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
            wrong = _is_wrong(left, right, isinstance(operator, (ast.In, ast.NotIn)))
            if wrong and not (certain and Kind.UNKNOWN in (left, right)):
                return _comparison_message(site, left, right, node)
    return None


def _is_wrong(left: Kind, right: Kind, contains: bool) -> bool:
    if Kind.COLUMN in (left, right):
        return False  # compares row by row, from either side, or raises by itself
    arrow = {Kind.ARRAY, Kind.SCALAR}
    if contains:
        return right is Kind.ARRAY if left is not Kind.SCALAR else right is Kind.PLAIN
    return bool(arrow & {left, right}) and (left, right) != (Kind.SCALAR, Kind.SCALAR)


def _judge_without_source(site: Site, seen: Operands) -> str | None:
    """Judge by the two instructions before, where the source cannot be read."""
    kinds = [_kind_before(instruction, seen) for instruction in site.before]
    if kinds and kinds[0] is Kind.UNKNOWN:
        kinds = kinds[:1]  # then the instruction before it is a part of the same operand
    if Kind.COLUMN in kinds:
        return None
    if {Kind.ARRAY, Kind.SCALAR} & set(kinds):
        return _comparison_message(site, kinds[0], kinds[-1], None)
    if Kind.UNKNOWN in kinds and _uses_arrow(site.code, seen):
        return (
            f"{_place(site)} compares a value that cannot be told from an Arrow array, since the "
            "source cannot be read; give the value a name first, or write pc.equal(...)"
        )
    return None


def _kind_before(instruction: Any, seen: Operands) -> Kind:
    name = instruction.opname
    if name in ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_ATTR"):
        return Kind.PLAIN
    if name.startswith(("LOAD_FAST", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")):
        names = instruction.argval
        return kind_of(seen.name(names if isinstance(names, str) else names[-1]))
    positions = instruction.positions
    found = seen.returned.get(tuple(positions)) if positions else None
    return Kind.UNKNOWN if found is None else kind_of(found[1])


def _uses_arrow(code: CodeType, seen: Operands) -> bool:
    modules = (getattr(seen.name(name), "__name__", None) for name in code.co_names)
    return any(isinstance(name, str) and name.startswith("pyarrow") for name in modules)


def _comparison_message(site: Site, left: Kind, right: Kind, node: ast.expr | None) -> str:
    kind = next(kind for kind in (left, right) if kind in (Kind.ARRAY, Kind.SCALAR))
    other = "it" if node is None else f"`{ast.unparse(node)}`"
    if kind is Kind.SCALAR:
        return (
            f"{_place(site)} compares {other}, in which an Arrow scalar meets a plain value: "
            "that is never equal; take the value out by .as_py() first"
        )
    return (
        f"{_place(site)} compares {other}, in which a plain Arrow array meets an operator: that "
        "is one False for all rows; write pc.equal(...), pc.not_equal(...) or pc.is_in(...) "
        "instead, or compare columns as the batch gives them: b['name'] == ..."
    )


def _truth_message(site: Site, kind: Kind, node: ast.expr | None) -> str:
    what = "" if node is None else f" of `{ast.unparse(node)}`"
    if kind is Kind.ARRAY:
        return (
            f"{_place(site)} asks for the truth{what} as a whole: for an Arrow array that only "
            "says whether it has rows; write pc.and_kleene(...), pc.or_kleene(...) or "
            "pc.invert(...) instead of and, or, not, and len(...) for the number of rows"
        )
    return (
        f"{_place(site)} asks for the truth{what}: an Arrow scalar is true whatever its value; "
        "take the value out by .as_py() first"
    )


def _place(site: Site) -> str:
    return f"{Path(site.code.co_filename).name}:{site.line}"
