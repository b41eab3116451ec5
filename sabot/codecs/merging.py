"""Columns of several versions of one schema, side by side.

Like JSON's columns they only widen: one that a version has is in every later batch, null
in the rows of versions without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabot.codecs.conforming import conform
from sabot.errors import DecodeError

__all__ = ["MergedColumns"]


class MergedColumns:
    """Knows the columns so far.

    Args:
        schema: The columns, where they are fixed.
    """

    def __init__(self, schema: pa.Schema | None) -> None:
        self.schema = pa.schema([]) if schema is None else schema

    def widen(self, schema: pa.Schema) -> None:
        """Take in a version's columns.

        Raises:
            DecodeError: If a column of that name is of a type that does not go with it.
        """
        if schema == self.schema:
            return
        try:
            wider = pa.unify_schemas([self.schema, schema], promote_options="permissive")
            for each in (self.schema, schema):
                _check_holds(pa.struct(list(wider)), pa.struct(list(each)), "")
        except (pa.ArrowException, ValueError) as error:
            raise DecodeError(
                f"the value's schema does not go with those before it: {error}"
            ) from None
        self.schema = wider

    def merge(
        self, parts: Sequence[tuple[Sequence[int], pa.RecordBatch]], tombstones: Sequence[int]
    ) -> pa.RecordBatch:
        """Return all rows in the order of their numbers.

        Args:
            parts: Rows, with the number of each.
            tombstones: The numbers of rows of nulls.
        """
        if len(parts) == 1 and not tombstones and parts[0][1].schema == self.schema:
            return parts[0][1]
        total = len(tombstones) + sum(len(numbers) for numbers, _ in parts)
        if not self.schema.names:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * total, pa.struct([])))
        kind = pa.struct(list(self.schema))
        pieces = [conform(rows.to_struct_array(), kind, "") for _, rows in parts]
        pieces.append(_nulls(kind, len(tombstones)))
        order = [number for numbers, _ in parts for number in numbers]
        order += tombstones
        rows = pa.concat_arrays(pieces)
        if order != sorted(order):
            at = sorted(range(total), key=order.__getitem__)
            rows = rows.take(pa.array(at, pa.int64()))
        return pa.RecordBatch.from_arrays(rows.flatten(), schema=self.schema)


def _check_holds(wider: pa.DataType, kind: pa.DataType, path: str) -> None:
    """Refuse what Arrow counts as wider though it does not mean, or hold, the same.

    Raises:
        ValueError: If text would become bytes, or a number may be beyond its new type.
    """
    if pa.types.is_struct(kind):
        for field in kind:
            within = f"{path}.{field.name}" if path else field.name
            _check_holds(wider.field(field.name).type, field.type, within)
    elif pa.types.is_list(kind):
        _check_holds(wider.value_type, kind.value_type, f"{path}[]")
    elif pa.types.is_map(kind):
        _check_holds(wider.item_type, kind.item_type, f"{path}{{}}")
    elif (pa.types.is_string(kind) and not pa.types.is_string(wider)) or (
        pa.types.is_uint64(kind) and pa.types.is_signed_integer(wider)
    ):
        raise ValueError(f"field {path!r} is {kind} in one and {wider} with the other")


def _nulls(kind: pa.DataType, count: int) -> pa.StructArray:
    return pa.StructArray.from_arrays(
        [pa.nulls(count, field.type) for field in kind], fields=list(kind)
    )
