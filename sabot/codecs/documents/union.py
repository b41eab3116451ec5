"""What two inferred types become when each has been widened on its own."""

from __future__ import annotations

import pyarrow as pa

from sabot.errors import SchemaMismatchError

__all__ = ["union", "union_types"]


def union(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """Return the schema that holds all that either holds, by the rules of inference.

    Columns stand as in ``first``; those that only ``second`` has come behind them.

    Raises:
        SchemaMismatchError: If a column has types of which neither widens to the other.

    Example:
        >>> known = pa.schema({"id": pa.int64()})
        >>> wider = union(known, pa.schema({"note": pa.string(), "id": pa.float64()}))
        >>> [f"{field.name} {field.type}" for field in wider]
        ['id double', 'note string']
        >>> union(known, pa.schema({"id": pa.string()}))
        Traceback (most recent call last):
        ...
        sabot.errors.SchemaMismatchError: field 'id' is string in one schema, int64 in another
    """
    return pa.schema(list(union_types(pa.struct(list(first)), pa.struct(list(second)))))


def union_types(first: pa.DataType, second: pa.DataType, path: str = "") -> pa.DataType:
    """Return the type that holds all that either holds; see `union`."""
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    if pa.types.is_struct(first) and pa.types.is_struct(second):
        return _union_structs(first, second, path)
    if pa.types.is_list(first) and pa.types.is_list(second):
        return pa.list_(union_types(first.value_type, second.value_type, f"{path}[]"))
    if {first, second} == {pa.int64(), pa.float64()}:
        return pa.float64()
    raise SchemaMismatchError(f"field {path!r} is {second} in one schema, {first} in another")


def _union_structs(first: pa.DataType, second: pa.DataType, path: str) -> pa.DataType:
    fields: dict[str, pa.DataType] = {field.name: field.type for field in first}
    for field in second:
        where = f"{path}.{field.name}" if path else field.name
        before = fields.get(field.name, pa.null())
        fields[field.name] = union_types(before, field.type, where)
    return pa.struct(list(fields.items()))
