"""Where a function's code compares values or asks for their truth.

Found in the bytecode, since that is what runs, and brought back to the source by the
positions Python keeps for each instruction.
"""

from __future__ import annotations

import ast
import dis
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Literal

__all__ = ["Site", "Span", "expression_at", "nested_codes", "sites_of"]

Span = tuple[int, int, int, int]
"""First line, last line, first column, column behind the last; columns count bytes."""

_ASIDE = frozenset({"COPY", "TO_BOOL", "EXTENDED_ARG", "NOP", "NOT_TAKEN", "CACHE"})
_BY_TRUTH = ("IF_TRUE", "IF_FALSE", "IF_TRUE_OR_POP", "IF_FALSE_OR_POP")
_TRUE_OR_FALSE = frozenset(
    {
        "CHECK_EG_MATCH",
        "CHECK_EXC_MATCH",
        "COMPARE_OP",
        "CONTAINS_OP",
        "GET_LEN",
        "IS_OP",
        "LOAD_CONST",
        "MATCH_KEYS",
        "MATCH_MAPPING",
        "MATCH_SEQUENCE",
        "UNARY_NOT",
        "WITH_EXCEPT_START",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One place where values are compared or tested.

    Attributes:
        code: The code it stands in.
        offset: The instruction's.
        kind: ``"compare"`` for ``== != in``, ``"truth"`` for ``if not and or``.
        span: The whole comparison, or the value that is tested; ``None`` where the
            program was compiled without positions.
        before: The two instructions that ran before it, last one first.
    """

    code: CodeType
    offset: int
    kind: Literal["compare", "truth"]
    span: Span | None
    before: tuple[dis.Instruction, ...]

    @property
    def line(self) -> int:
        return self.span[0] if self.span else self.code.co_firstlineno

    def expression(self) -> ast.expr | None:
        """Return the source of ``span`` as a tree, ``None`` where there is none."""
        return expression_at(self.code, self.span) if self.span else None


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Iterate over a code object and all that are defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested_codes(constant)


def sites_of(code: CodeType) -> dict[int, Site]:
    """Return the sites of one code object by their instruction's offset."""
    found: dict[int, Site] = {}
    before: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        site = _site(code, instruction, before)
        if site is not None:
            found[instruction.offset] = site
        if instruction.opname not in _ASIDE:
            before = [instruction, *before[:1]]
    return found


def expression_at(code: CodeType, span: Span) -> ast.expr | None:
    """Parse a piece of a code object's source; its nodes keep their true positions."""
    first, last, start, end = span
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(first, last + 1)]
    if not all(lines):
        return None
    lines[-1] = lines[-1][:end]
    lines[0] = b" " * start + lines[0][start:]
    try:
        # The parenthesis lets the piece be indented and go over several lines.
        tree = ast.parse(b"(\n" + b"".join(lines) + b"\n)", mode="eval")
    except (SyntaxError, ValueError):
        return None
    ast.increment_lineno(tree, first - 2)
    return tree.body


def _site(
    code: CodeType, instruction: dis.Instruction, before: list[dis.Instruction]
) -> Site | None:
    name = instruction.opname
    if name == "CONTAINS_OP" or (
        name == "COMPARE_OP" and ("==" in instruction.argrepr or "!=" in instruction.argrepr)
    ):
        span = _span(instruction.positions)
        return Site(code, instruction.offset, "compare", span, tuple(before))
    tests = name == "UNARY_NOT" or ("JUMP" in name and name.endswith(_BY_TRUTH))
    if tests and before and before[0].opname not in _TRUE_OR_FALSE:
        span = _span(before[0].positions)
        return Site(code, instruction.offset, "truth", span, tuple(before))
    return None


def _span(positions: dis.Positions | tuple[int | None, ...] | None) -> Span | None:
    if positions is None or None in positions:
        return None
    first, last, start, end = positions
    return (int(first or 0), int(last or 0), int(start or 0), int(end or 0))
