"""Arrays of `sabot.codecs.avro.rows`, and those of `reducing.column_schema`, both ways.

They differ where there is a fixed, which columns have in parts, and where something takes
no bytes, which columns leave out. For anything else there is nothing to do, and no
function to do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.avro import rows
from sabot.codecs.avro.reducing import NONE, part_name, parts
from sabot.codecs.avro.schema import Node

__all__ = ["Change", "empty", "joiner", "splitter"]

Change = Callable[[Any], Any]
"""Makes one array of another, of the same length."""

_NO_BYTES = pa.scalar(b"", pa.binary())


def joiner(node: Node) -> Change | None:
    """Return what makes the array of `rows` from the decoder's; ``None`` if they agree."""
    return _change(node, joined=True)


def splitter(node: Node) -> Change | None:
    """Return what makes the encoder's array from that of `rows`; ``None`` if they agree."""
    return _change(node, joined=False)


def _change(node: Node, *, joined: bool) -> Change | None:
    if node.kind == "union":
        return _optional(node, joined=joined) if node.optional else _union(node, joined=joined)
    if node.kind == "null":
        return None
    if not node.takes_bytes:
        return _nothing(node, joined=joined)
    if node.kind == "fixed":
        return _joined_fixed(node.size) if joined else _split_fixed(node.size)
    if node.kind == "record":
        return _record(node, joined=joined)
    if node.items is None:
        return None
    if not node.items.takes_bytes:
        return _joined_keys(node.items) if joined else _keys
    return _container(node.kind, _change(node.items, joined=joined))


# --- what takes no bytes ------------------------------------------------------------


def empty(node: Node, count: int, mask: Any = None) -> Any:
    """Return values of a type that takes no bytes."""
    if node.kind == "null":
        return pa.nulls(count)
    if node.kind == "fixed":
        values = pa.repeat(_NO_BYTES, count)
        return values if mask is None else pc.if_else(mask, pa.scalar(None, pa.binary()), values)
    names = [rows.field_name(number) for number in range(len(node.fields))] or [NONE]
    children = [empty(field.node, count) for field in node.fields] or [pa.nulls(count)]
    return pa.StructArray.from_arrays(children, names, mask=mask)


def _nothing(node: Node, *, joined: bool) -> Change:
    def change(array: Any) -> Any:
        if joined:
            return empty(node, len(array), _mask(array))
        return pa.StructArray.from_arrays([pa.nulls(len(array))], [NONE], mask=_mask(array))

    return change


# --- fixed --------------------------------------------------------------------------


def _joined_fixed(size: int) -> Change:
    widths = [8 if kind == "double" else 4 for kind in parts(size)]

    def join(array: Any) -> Any:
        if len(widths) == 1:
            return array.view(pa.binary(size))
        pieces = [
            array.field(number).view(pa.binary(width)).cast(pa.binary())
            for number, width in enumerate(widths)
        ]
        made = pc.binary_join_element_wise(*pieces, _NO_BYTES)
        if array.null_count and not made.null_count:
            return pc.if_else(array.is_valid(), made, pa.scalar(None, pa.binary()))
        return made

    return join


def _split_fixed(size: int) -> Change:
    kinds = [pa.float64() if kind == "double" else pa.float32() for kind in parts(size)]

    def split(array: Any) -> Any:
        whole = array.cast(pa.binary(size))
        if len(kinds) == 1:
            return whole.view(kinds[0])
        pieces, at = [], 0
        for kind in kinds:
            width = kind.bit_width // 8
            pieces.append(pc.binary_slice(whole, at, at + width).view(kind))
            at += width
        names = [part_name(number) for number in range(len(pieces))]
        return pa.StructArray.from_arrays(pieces, names, mask=_mask(array))

    return split


# --- what has other types inside ----------------------------------------------------


def _record(node: Node, *, joined: bool) -> Change | None:
    kept = [number for number, field in enumerate(node.fields) if field.node.takes_bytes]
    changes = {number: _change(node.fields[number].node, joined=joined) for number in kept}
    if len(kept) == len(node.fields) and not any(changes.values()):
        return None
    positions = {number: at for at, number in enumerate(kept)} if joined else {n: n for n in kept}
    wanted = range(len(node.fields)) if joined else kept

    def change(array: Any) -> Any:
        children = [
            _changed(changes[number], array.field(positions[number]))
            if number in changes
            else empty(node.fields[number].node, len(array))
            for number in wanted
        ]
        names = [rows.field_name(number) for number in wanted]
        return pa.StructArray.from_arrays(children, names, mask=_mask(array))

    return change


def _container(kind: str, inner: Change | None) -> Change | None:
    if inner is None:
        return None

    def lists(array: Any) -> Any:
        return pa.ListArray.from_arrays(array.offsets, inner(array.values), mask=_mask(array))

    def maps(array: Any) -> Any:
        return pa.MapArray.from_arrays(
            array.offsets, array.keys, inner(array.items), mask=_mask(array)
        )

    return lists if kind == "array" else maps


def _joined_keys(items: Node) -> Change:
    def join(array: Any) -> Any:
        values = empty(items, len(array.values))
        return pa.MapArray.from_arrays(array.offsets, array.values, values, mask=_mask(array))

    return join


def _keys(array: Any) -> Any:
    return pa.ListArray.from_arrays(array.offsets, array.keys, mask=_mask(array))


def _optional(node: Node, *, joined: bool) -> Change | None:
    assert node.optional is not None
    return _change(node.optional, joined=joined)


def _union(node: Node, *, joined: bool) -> Change | None:
    changes = [None if each.kind == "null" else _branch(each, joined) for each in node.branches]
    if not any(changes):
        return None

    def change(array: Any) -> Any:
        children = []
        for number, inner in enumerate(changes):
            child = array.field(number)
            if inner is not None:
                made = inner(child.field(0))
                child = pa.StructArray.from_arrays([made], [rows.BRANCH_FIELD])
            children.append(child)
        return pa.UnionArray.from_sparse(array.type_codes, children)

    return change


def _branch(node: Node, joined: bool) -> Change | None:
    if node.takes_bytes:
        return _change(node, joined=joined)
    return (lambda array: empty(node, len(array))) if joined else _only_nulls


def _only_nulls(array: Any) -> Any:
    return pa.nulls(len(array))


def _changed(change: Change | None, array: Any) -> Any:
    return array if change is None else change(array)


def _mask(array: Any) -> Any:
    return array.is_null() if array.null_count else None
