"""What is inferred beside the types that a schema tells.

A schema may change when a program is deployed anew, and what it tells then holds at once.
So only what it does not tell is worth remembering.
"""

from __future__ import annotations

import pyarrow as pa

from sabot.codecs.memory import SchemaMemory

__all__ = ["UntoldMemory", "together", "untold"]


class UntoldMemory:
    """A memory (`sabot.codecs.memory.SchemaMemory`) that is not told of what a schema tells.

    Args:
        memory: Where the rest is remembered. Several schemas of one topic may share it.
        told: The types that the schema tells; null where it does not.
    """

    def __init__(self, memory: SchemaMemory, told: pa.Schema) -> None:
        self._memory = memory
        self._told = told

    def known(self) -> pa.Schema | None:
        """Return what the schema tells, and what is remembered beside it."""
        return together(self._told, self._memory.known() or pa.schema([]))

    def widened(self, schema: pa.Schema) -> pa.Schema:
        """Remember what the schema does not tell; return that and what it tells."""
        return together(self._told, self._memory.widened(untold(schema, self._told)))


def untold(schema: pa.Schema, told: pa.Schema) -> pa.Schema:
    """Return the fields, nested ones too, that are not told as they are.

    Example:
        >>> told = pa.schema({"id": pa.int64(), "o": pa.struct({"x": pa.int64()})})
        >>> wide = pa.struct({"x": pa.int64(), "y": pa.string()})
        >>> print(untold(pa.schema({"id": pa.int64(), "o": wide, "n": pa.null()}), told))
        o: struct<y: string>
          child 0, y: string
        n: null
    """
    rest = _untold(pa.struct(list(schema)), pa.struct(list(told)))
    return pa.schema([] if rest is None else list(rest))


def together(told: pa.Schema, rest: pa.Schema) -> pa.Schema:
    """Return the told fields and the rest; told types hold where they do not go together.

    Example:
        >>> told = pa.schema({"id": pa.string(), "o": pa.struct({"x": pa.int64()})})
        >>> rest = pa.schema({"id": pa.int64(), "o": pa.struct({"y": pa.string()})})
        >>> print(together(told, rest))
        id: string
        o: struct<x: int64, y: string>
          child 0, x: int64
          child 1, y: string
    """
    return pa.schema(list(_together(pa.struct(list(told)), pa.struct(list(rest)))))


def _untold(kind: pa.DataType, told: pa.DataType) -> pa.DataType | None:
    if kind == told or pa.types.is_null(kind):
        return None
    if pa.types.is_struct(kind) and pa.types.is_struct(told):
        known = {field.name: field.type for field in told}
        rest = [
            (field.name, found)
            for field in kind
            if (
                found := _untold(field.type, known[field.name])
                if field.name in known
                else field.type
            )
            is not None
        ]
        return pa.struct(rest) if rest else None
    if pa.types.is_list(kind) and pa.types.is_list(told):
        item = _untold(kind.value_type, told.value_type)
        return None if item is None else pa.list_(item)
    return kind


def _together(told: pa.DataType, rest: pa.DataType) -> pa.DataType:
    if pa.types.is_null(told):
        return rest
    if pa.types.is_struct(told) and pa.types.is_struct(rest):
        fields = {field.name: field.type for field in told}
        for field in rest:
            fields[field.name] = _together(fields.get(field.name, pa.null()), field.type)
        return pa.struct(list(fields.items()))
    if pa.types.is_list(told) and pa.types.is_list(rest):
        return pa.list_(_together(told.value_type, rest.value_type))
    both_numbers = pa.types.is_int64(told) and pa.types.is_float64(rest)
    return rest if both_numbers else told
