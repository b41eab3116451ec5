"""The fenced blocks of a Markdown file, with the lines they stand on."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

__all__ = ["Block", "fenced_blocks", "python_blocks"]

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*#*$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        path: The file it stands in.
        line: The line of its first line of code, counted from 1.
        code: What stands between the fences, without their indent.
        heading: The heading it stands under, or ``""``.
        words: What follows the language on the opening fence, such as ``("skip",)``.
    """

    path: Path
    line: int
    code: str
    heading: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"

    def compile(self, code: str | None = None, *, flags: int = 0) -> CodeType:
        """Compile the block so that a traceback names the file's own line.

        Args:
            code: Compiled in place of the block's own text, if it was changed; it must
                begin on the same line.
            flags: Compiler flags, such as ``ast.PyCF_ALLOW_TOP_LEVEL_AWAIT``.
        """
        text = "\n" * (self.line - 1) + (self.code if code is None else code)
        return compile(text, str(self.path), "exec", flags=flags, dont_inherit=True)


def python_blocks(path: Path) -> list[Block]:
    """Return the fenced blocks whose language is ``python``, in order."""
    return fenced_blocks(path, "python")


def fenced_blocks(path: Path, wanted: str) -> list[Block]:
    """Return the fenced blocks of one language, in order.

    Raises:
        ValueError: If a fence is never closed.
    """
    blocks: list[Block] = []
    heading = ""
    opened: tuple[int, re.Match[str]] | None = None
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened = (number, fence)
            elif found := HEADING.match(line):
                heading = found["text"]
        elif fence and closes(fence, opened[1]):
            start, opening = opened
            language, *words = opening["info"].split() or [""]
            if language == wanted:
                code = textwrap.dedent("\n".join(lines[start : number - 1])) + "\n"
                blocks.append(Block(path, start + 1, code, heading, tuple(words)))
            opened = None
    if opened is not None:
        raise ValueError(f"{path}:{opened[0]}: the fence is never closed")
    return blocks


def closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    """Whether a fence ends a block: same sign, at least as long, nothing behind it."""
    return fence["fence"].startswith(opening["fence"]) and not fence["info"].strip()
