"""Python values of the types on the wire, as arrays, and back.

A value of a union that is not just null and another type is a pair: the branch's name on
the wire, which ends with its number, and its record of one field. Text is bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa

from sabot.codecs.avro.schema import Node

__all__ = [
    "BRANCH_FIELD",
    "branch_name",
    "branch_value",
    "build",
    "child_path",
    "field_name",
    "values",
]

BRANCH_FIELD = "v"
_SCALARS = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "enum": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.binary(),
    "fixed": pa.binary(),
}


def field_name(number: int) -> str:
    """Name a field on the wire."""
    return f"f{number}"


def child_path(path: str, number: int) -> str:
    """Name what stands within ``path``."""
    return f"{path}_{number}"


def branch_name(path: str, number: int) -> str:
    """Name a branch of the union at ``path``."""
    return f"{path}_b{number}"


def branch_value(path: str, number: int, value: Any) -> tuple[str, dict[str, Any]]:
    """Return a value of a branch of the union at ``path``."""
    return f"{branch_name(path, number)}_", {BRANCH_FIELD: value}


def build(node: Node, found: Sequence[Any]) -> pa.Array:
    """Make an array of values; ``None`` becomes null."""
    if node.kind == "null":
        return pa.nulls(len(found))
    if node.kind == "union":
        if node.optional is None:
            return _union(node, found)
        # fastavro names the record in any union, also where there is no other.
        return build(node.optional, [v[1] if isinstance(v, tuple) else v for v in found])
    if node.kind == "record":
        return _struct(node, found)
    if node.items is None:
        return pa.array(found, _SCALARS[node.kind])
    sizes = (0 if value is None else len(value) for value in found)
    offsets = pa.array(accumulate(sizes, initial=0), pa.int32())
    nulls = pa.array([value is None for value in found], pa.bool_())
    if node.kind == "array":
        items = build(node.items, [item for value in found for item in value or ()])
        return pa.ListArray.from_arrays(offsets, items, mask=nulls)
    keys = pa.array([key.encode() for value in found for key in value or ()], pa.binary())
    items = build(node.items, [item for value in found for item in (value or {}).values()])
    return pa.MapArray.from_arrays(offsets, keys, items, mask=nulls)


def _struct(node: Node, found: Sequence[Any]) -> pa.Array:
    names = [field_name(number) for number in range(len(node.fields))]
    columns = [
        build(field.node, [None if row is None else row[name] for row in found])
        for name, field in zip(names, node.fields, strict=True)
    ]
    if not columns:
        names, columns = ["none"], [pa.nulls(len(found))]
    nulls = pa.array([row is None for row in found], pa.bool_())
    return pa.StructArray.from_arrays(columns, names, mask=nulls)


def _union(node: Node, found: Sequence[Any]) -> pa.Array:
    nothing = next((n for n, each in enumerate(node.branches) if each.kind == "null"), 0)
    numbers = [
        nothing if value is None else int(value[0][:-1].rpartition("_b")[2]) for value in found
    ]
    columns = []
    for number, branch in enumerate(node.branches):
        if branch.kind == "null":
            columns.append(pa.nulls(len(found)))
            continue
        chosen = [
            value[1][BRANCH_FIELD] if value is not None and at == number else None
            for at, value in zip(numbers, found, strict=True)
        ]
        columns.append(pa.StructArray.from_arrays([build(branch, chosen)], [BRANCH_FIELD]))
    return pa.UnionArray.from_sparse(pa.array(numbers, pa.int8()), columns)


def values(node: Node, array: Any, path: str) -> list[Any]:
    """Return the Python values of an array on the wire at ``path``."""
    if node.kind == "union":
        if node.optional is not None:
            return values(node.optional, array, path)
        return _union_values(node, array, path)
    if node.kind == "record":
        columns = [
            values(field.node, array.field(number), child_path(path, number))
            for number, field in enumerate(node.fields)
        ]
        names = [field_name(number) for number in range(len(columns))]
        if not columns:
            return [{} if valid else None for valid in array.is_valid().to_pylist()]
        return [
            dict(zip(names, row, strict=True)) if valid else None
            for valid, row in zip(
                array.is_valid().to_pylist(), zip(*columns, strict=True), strict=True
            )
        ]
    if node.items is None:
        return (array.cast(pa.binary()) if pa.types.is_string(array.type) else array).to_pylist()  # type: ignore[no-any-return]
    spans = list(pairwise(array.offsets.to_pylist()))
    valid = array.is_valid().to_pylist()
    within = child_path(path, 0)
    if node.kind == "array":
        items = values(node.items, array.values, within)
        return [items[a:b] if ok else None for ok, (a, b) in zip(valid, spans, strict=True)]
    keys = array.keys.to_pylist()
    items = values(node.items, array.items, within)
    return [
        dict(zip(keys[a:b], items[a:b], strict=True)) if ok else None
        for ok, (a, b) in zip(valid, spans, strict=True)
    ]


def _union_values(node: Node, array: Any, path: str) -> list[Any]:
    numbers = array.type_codes.to_pylist()
    columns = []
    for number, branch in enumerate(node.branches):
        if branch.kind == "null":
            columns.append([None] * len(array))
        else:
            inner = array.field(number).field(0)
            columns.append(values(branch, inner, branch_name(path, number)))
    return [
        None
        if node.branches[number].kind == "null"
        else branch_value(path, number, columns[number][row])
        for row, number in enumerate(numbers)
    ]
