"""Schemas of what is on the wire, in the few types that its decoders know.

What is on the wire says little of what it means: dates, enums and integers of any size
are all the same variable-length number, text and bytes are both a length with bytes
behind it. So a schema is reduced to those few types, under names of no meaning.

* int, long, enum: ``long``
* bytes, string: ``string`` by columns, whose bytes may be no text at all; ``bytes`` by rows
* a branch of a union that is not just null and another type: a record of one field, since
  two branches may be reduced to the same type

By columns there is no fixed, and nothing that takes no bytes but as a branch of a union:

* a fixed: doubles, with a float behind them, which are bytes as they are
* a field that takes no bytes: is left out
* a map whose values take no bytes: an array of its keys
"""

from __future__ import annotations

from typing import Any

from sabot.codecs.avro import rows
from sabot.codecs.avro.schema import Node

__all__ = ["NONE", "column_schema", "least", "part_name", "parts", "row_schema"]

NONE = "none"
"""The only field, of nulls, of a record without fields."""


def parts(size: int) -> list[str]:
    """Return the types that a fixed of so many bytes becomes by columns.

    Example:
        >>> parts(20)
        ['double', 'double', 'float']
    """
    return ["double"] * (size // 8) + ["float"] * (size % 8 // 4)


def part_name(number: int) -> str:
    """Name a part of a fixed."""
    return f"p{number}"


def row_schema(node: Node, path: str) -> Any:
    """Return the schema that records are taken one by one with.

    Args:
        node: The type.
        path: Where it stands, which makes names that are unique.
    """
    return _reduced(node, path, by_columns=False)


def column_schema(node: Node, path: str) -> Any:
    """Return the schema that records are taken as columns with; see `row_schema`."""
    return _reduced(node, path, by_columns=True)


def least(node: Node) -> bytes:
    r"""Return the shortest value of a type, which means zero or nothing.

    Example:
        >>> least(Node("union", branches=(Node("double"), Node("null"))))
        b'\x00\x00\x00\x00\x00\x00\x00\x00\x00'
    """
    if node.kind == "record":
        return b"".join(least(field.node) for field in node.fields)
    if node.kind == "union":
        return b"\0" + least(node.branches[0])
    sizes = {"null": 0, "float": 4, "double": 8, "fixed": node.size}
    return bytes(sizes.get(node.kind, 1))


def _reduced(node: Node, path: str, *, by_columns: bool) -> Any:
    if node.kind in ("int", "long", "enum"):
        return "long"
    if node.kind in ("bytes", "string"):
        return "string" if by_columns else "bytes"
    if node.kind == "union":
        count = len(node.branches)
        return [_branch(node, number, path, by_columns=by_columns) for number in range(count)]
    if by_columns and not node.takes_bytes:
        return "null" if node.kind == "null" else _record(path, {NONE: "null"})
    if node.kind == "fixed":
        return _fixed(node, path, by_columns=by_columns)
    if node.items is not None:
        return _container(node, path, by_columns=by_columns)
    if node.kind != "record":
        return node.kind
    return _record(
        path,
        {
            rows.field_name(number): _reduced(
                field.node, rows.child_path(path, number), by_columns=by_columns
            )
            for number, field in enumerate(node.fields)
            if field.node.takes_bytes or not by_columns
        },
    )


def _record(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    listed = [{"name": each, "type": kind} for each, kind in fields.items()]
    return {"type": "record", "name": name, "fields": listed}


def _fixed(node: Node, path: str, *, by_columns: bool) -> Any:
    if not by_columns:
        return {"type": "fixed", "name": path, "size": node.size}
    kinds = parts(node.size)
    if len(kinds) == 1:
        return kinds[0]
    return _record(path, {part_name(number): kind for number, kind in enumerate(kinds)})


def _container(node: Node, path: str, *, by_columns: bool) -> Any:
    assert node.items is not None
    if by_columns and not node.items.takes_bytes:
        return {"type": "array", "items": "string"}
    items = _reduced(node.items, rows.child_path(path, 0), by_columns=by_columns)
    return {"type": node.kind, "items" if node.kind == "array" else "values": items}


def _branch(union: Node, number: int, path: str, *, by_columns: bool) -> Any:
    branch = union.branches[number]
    if branch.kind == "null":
        return "null"
    if union.optional is not None:
        return _reduced(branch, path, by_columns=by_columns)
    name = rows.branch_name(path, number)
    # The field is of another name space than the record inside it.
    return _record(
        f"{name}_",
        {
            rows.BRANCH_FIELD: "null"
            if by_columns and not branch.takes_bytes
            else _reduced(branch, name, by_columns=by_columns)
        },
    )
