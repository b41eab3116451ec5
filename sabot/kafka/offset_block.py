"""A set of offsets within one block of a partition, small in memory and as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

__all__ = ["BLOCK", "OffsetBlock"]

BLOCK = 65_536
"""How many offsets a block has; written as text, the worst of them stays below 1 MB."""


class OffsetBlock:
    """Offsets from ``number * BLOCK`` on, below the next block.

    Args:
        number: Which block of the partition.

    Example:
        >>> block = OffsetBlock(0)
        >>> for offset in (7, 1, 2, 3):
        ...     block.add(offset)
        >>> str(block), 2 in block, 4 in block
        ('1-3,7', True, False)
    """

    def __init__(self, number: int) -> None:
        self._first = number * BLOCK
        self._bits = bytearray(BLOCK // 8)

    @classmethod
    def of_text(cls, number: int, text: str) -> Self:
        """Return the block that `str` wrote.

        Raises:
            ValueError: If the text is no list of offsets of this block.
        """
        block = cls(number)
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            for offset in range(int(first), int(last or first) + 1):
                block.add(offset)
        return block

    def add(self, offset: int) -> None:
        """Add an offset.

        Raises:
            ValueError: If it is in another block.
        """
        place = offset - self._first
        if not 0 <= place < BLOCK:
            raise ValueError(f"{offset} is not in the block that begins at {self._first}")
        self._bits[place >> 3] |= 1 << (place & 7)

    def update(self, other: OffsetBlock) -> None:
        """Add all of another set of the same block."""
        both = int.from_bytes(self._bits, "little") | int.from_bytes(other._bits, "little")
        self._bits[:] = both.to_bytes(len(self._bits), "little")

    def __contains__(self, offset: int) -> bool:
        place = offset - self._first
        return 0 <= place < BLOCK and bool(self._bits[place >> 3] >> (place & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for number, eight in enumerate(self._bits):
            if eight:
                start = self._first + 8 * number
                yield from (start + bit for bit in range(8) if eight >> bit & 1)

    def __str__(self) -> str:
        parts: list[tuple[int, int]] = []
        for offset in self:
            if parts and parts[-1][1] == offset - 1:
                parts[-1] = (parts[-1][0], offset)
            else:
                parts.append((offset, offset))
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
