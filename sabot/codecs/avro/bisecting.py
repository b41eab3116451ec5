"""Finding what is bad in a batch, where only whole stretches of it can be tried."""

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

    A batch without a bad item is tried once. In a stretch that fails the first bad item is
    found by halves; the next stretch is as long as bad items have been apart so far, and
    twice as long after each one that is good. So a bad item costs about as many tries as
    its distance from the last one has binary digits, of stretches no longer than that.

    Args:
        attempt: Makes something of the items from one number to another; raises one of
            `REFUSALS` if any of them is bad. An item is bad only if it fails alone.
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
    first, size = 0, count
    while first < count:
        last = min(first + size, count)
        try:
            made.append(attempt(first, last))
        except REFUSALS as error:
            first = _narrowed(attempt, first, last, error, made, bad)
            size = max(1, first // (len(bad) or 1))
        else:
            first, size = last, size * 2
    return made, bad


def _narrowed(
    attempt: Callable[[int, int], T],
    first: int,
    last: int,
    refusal: Exception,
    made: list[T],
    bad: list[tuple[int, Exception]],
) -> int:
    """Find the first bad item of a stretch that failed; return the number behind it."""
    failed = (first, last)
    while last - first > 1:
        middle = (first + last) // 2
        try:
            made.append(attempt(first, middle))
        except REFUSALS as error:
            refusal, last = error, middle
            failed = (first, last)
        else:
            first = middle
    if failed == (first, last):
        bad.append((first, refusal))
        return last
    # The others of its stretch were good, but it may have been too much only with them.
    try:
        made.append(attempt(first, last))
    except REFUSALS as error:
        bad.append((first, error))
    return last
