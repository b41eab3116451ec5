"""What a record claims to hold: a bound on the memory that a few bytes can ask for.

An item of an array may be one byte, a null, and yet take a place in each of the columns
that the item has where it is none. So of a wide item a megabyte of bytes could claim
gigabytes. A record may claim `PLACES_PER_BYTE` places for each of its bytes, and
`PLACES` in any case; one that claims more is refused before it is decoded.

Most schemas have no item so wide that this could be. Of the others only those records are
counted that are long enough to claim too much, one by one in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sabot.codecs.avro.schema import Node
from sabot.errors import DecodeError

__all__ = ["PLACES", "PLACES_PER_BYTE", "Claims"]

PLACES = 65_536
PLACES_PER_BYTE = 64


class Claims:
    """Counts the places that the items in records of a schema take.

    Args:
        writer: The record that was written.
        wanted: The record it is read as.
    """

    def __init__(self, writer: Node, wanted: Node) -> None:
        # Which items are read as which is not asked: the widest ones count for all.
        self._beyond = 0 if writer == wanted else max(map(_places, _items(wanted)), default=0)
        rates = [(_places(item) + self._beyond) / _shortest(item) for item in _items(writer)]
        self._rate = max(rates, default=0.0)
        self._walk = self._walker(writer) if self._rate > PLACES_PER_BYTE else None

    def sifted(
        self, values: Sequence[bytes], skip: int
    ) -> tuple[Sequence[int], list[tuple[int, Exception]]]:
        """Return which records claim no more than they may, and the others."""
        everything = range(len(values))
        if self._walk is None:
            return everything, []
        refused: list[tuple[int, Exception]] = []
        for number in everything:
            try:
                self.check(values[number], skip)
            except DecodeError as error:
                refused.append((number, error))
        if not refused:
            return everything, []
        bad = {number for number, _ in refused}
        return [number for number in everything if number not in bad], refused

    def check(self, value: bytes, skip: int) -> None:
        """Check one record.

        Raises:
            DecodeError: If it claims more than it may, or cannot be gone over.
        """
        length = len(value) - skip
        if self._walk is None or length * self._rate <= PLACES:
            return
        count = _Count(value, skip, max(PLACES, PLACES_PER_BYTE * length))
        try:
            self._walk(count)
        except IndexError:
            # Not left to the decoder: it might go on with what was given up here.
            raise DecodeError("it is cut off, or not of its schema") from None
        except OverflowError:
            raise DecodeError(f"its {length} bytes claim more than {count.most} values") from None

    def _walker(self, node: Node) -> _Walk:
        """Return what goes over one value and counts the items in it."""
        if not node.takes_bytes:
            return _nothing
        if node.kind == "record":
            return _each([self._walker(field.node) for field in node.fields])
        if node.kind == "union":
            return _one_of([self._walker(branch) for branch in node.branches])
        if node.items is not None:
            item = self._walker(node.items)
            if node.kind == "map":
                item = _each([_text, item])
            return _blocks(item, _places(node.items) + self._beyond)
        if node.kind in ("string", "bytes"):
            return _text
        if node.kind in _WIDTHS or node.kind == "fixed":
            width = _WIDTHS.get(node.kind, node.size)
            return lambda count: count.pass_by(width)
        return _Count.number


_Walk = Callable[["_Count"], Any]
_LONGEST = 10
_WIDTHS = {"boolean": 1, "float": 4, "double": 8}


class _Count:
    """Where a walk over a record has come to."""

    def __init__(self, value: bytes, at: int, most: int) -> None:
        self._value, self._at = value, at
        self.most = self.left = most

    def number(self) -> int:
        value, at = self._value, self._at
        byte = value[at]
        found, shift = byte & 127, 7
        while byte > 127:
            at += 1
            byte = value[at]
            found |= (byte & 127) << shift
            shift += 7
        if at - self._at >= _LONGEST:
            raise IndexError
        self._at = at + 1
        found &= 2**64 - 1
        return (found >> 1) ^ -(found & 1)

    def pass_by(self, length: int) -> None:
        self._at += length
        if length < 0 or self._at > len(self._value):
            raise IndexError


def _nothing(_count: _Count) -> None:
    """Go over a value that takes no bytes."""


def _text(count: _Count) -> None:
    count.pass_by(count.number())


def _each(walks: Sequence[_Walk]) -> _Walk:
    steps = [walk for walk in walks if walk is not _nothing]

    def walk(count: _Count) -> None:
        for each in steps:
            each(count)

    return walk


def _one_of(walks: Sequence[_Walk]) -> _Walk:
    def walk(count: _Count) -> None:
        number = count.number()
        if number < 0:
            raise IndexError
        walks[number](count)

    return walk


def _blocks(item: _Walk, places: int) -> _Walk:
    def walk(count: _Count) -> None:
        while (size := count.number()) != 0:
            if size < 0:
                # What follows is the block's length in bytes, which decoders do not believe.
                count.number()
                size = -size
            if size >= 2**63:
                # Of which decoders make a number below zero again, and no items.
                raise IndexError
            for _ in range(size):
                count.left -= places
                if count.left < 0:
                    raise OverflowError
                item(count)

    return walk


def _items(node: Node) -> Iterator[Node]:
    if node.items is not None:
        yield node.items
        yield from _items(node.items)
    for inner in (*(field.node for field in node.fields), *node.branches):
        yield from _items(inner)


def _places(node: Node) -> int:
    """Return how many places of columns one value takes, whatever it is."""
    if node.optional is not None:
        return _places(node.optional)
    inner = (*(field.node for field in node.fields), *node.branches)
    return 1 + node.size // 8 + sum(map(_places, inner))


def _shortest(node: Node) -> int:
    """Return how many bytes a value takes at least; as an item that is one or more."""
    return max(1, _least(node))


def _least(node: Node) -> int:
    if node.kind == "record":
        return sum(_least(field.node) for field in node.fields)
    if node.kind == "union":
        return 1 + min(map(_least, node.branches))
    return {"null": 0, "float": 4, "double": 8, "fixed": node.size}.get(node.kind, 1)
