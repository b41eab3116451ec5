"""Finding what is bad in a batch by halves, where only the batch can be tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from sabot.errors import CodecError

__all__ = ["REFUSALS", "halves"]

T = TypeVar("T")

REFUSALS = (CodecError, ValueError, LookupError, OverflowError, pa.ArrowException)
"""What a single bad value makes of a batch; a subclass is as good."""


def halves(
    attempt: Callable[[int, int], T], count: int
) -> tuple[list[T], list[tuple[int, Exception]]]:
    """Return what was made of good stretches, and the bad items with their errors.

    A batch without a bad item is tried once; one bad item costs about two batches.

    Args:
        attempt: Makes something of the items from one number to another; raises one of
            `REFUSALS` if any of them is bad.
        count: How many items there are.

    Example:
        >>> def numbers(first, last):
        ...     return [int("12x4"[n]) for n in range(first, last)]
        >>> made, bad = halves(numbers, 4)
        >>> made, [number for number, _ in bad]
        ([[1, 2], [4]], [2])
    """
    made: list[T] = []
    bad: list[tuple[int, Exception]] = []
    pending = [(0, count)] if count else []
    while pending:
        first, last = pending.pop()
        try:
            made.append(attempt(first, last))
        except REFUSALS as error:
            if last - first == 1:
                bad.append((first, error))
                continue
            middle = (first + last) // 2
            pending += [(middle, last), (first, middle)]
    return made, bad
