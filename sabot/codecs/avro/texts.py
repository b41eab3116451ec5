"""Arrays of the types that `sabot.codecs.avro.rows` makes, with text for bytes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sabot.codecs.avro import rows
from sabot.codecs.avro.schema import Node

__all__ = ["as_bytes", "as_text", "as_wire", "wire_type"]


def wire_type(node: Node) -> pa.DataType:
    """Return the type of the array that goes on the wire."""
    return as_wire(node, rows.build(node, [])).type


def as_wire(node: Node, array: Any) -> Any:
    """Return what `rows.build` made as the wire wants it: text and bytes as string."""
    if node.kind in ("string", "bytes"):
        return as_text(array)
    if node.kind == "union" and node.optional is not None:
        return as_wire(node.optional, array)
    if node.kind == "record" and node.fields:
        children = [as_wire(f.node, array.field(n)) for n, f in enumerate(node.fields)]
        names = [rows.field_name(number) for number in range(len(children))]
        return pa.StructArray.from_arrays(children, names, mask=_mask(array))
    if node.kind == "array" and node.items is not None:
        items = as_wire(node.items, array.values)
        return pa.ListArray.from_arrays(array.offsets, items, mask=_mask(array))
    if node.kind == "map" and node.items is not None:
        items = as_wire(node.items, array.items)
        return pa.MapArray.from_arrays(array.offsets, as_text(array.keys), items, mask=_mask(array))
    if node.kind != "union":
        return array
    children = []
    for number, branch in enumerate(node.branches):
        child = array.field(number)
        if branch.kind != "null":
            inner = as_wire(branch, child.field(0))
            child = pa.StructArray.from_arrays([inner], [rows.BRANCH_FIELD])
        children.append(child)
    return pa.UnionArray.from_sparse(array.type_codes, children)


def as_text(array: Any) -> Any:
    """Return bytes as strings, which may be no text: on the wire they are the same."""
    return pa.Array.from_buffers(
        pa.string(), len(array), array.buffers(), array.null_count, array.offset
    )


def as_bytes(array: Any) -> Any:
    """Return strings as bytes; bytes as they are."""
    return array.view(pa.binary()) if pa.types.is_string(array.type) else array


def _mask(array: Any) -> Any:
    return array.is_null() if array.null_count else None
