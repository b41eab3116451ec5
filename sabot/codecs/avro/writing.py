"""Columns as the arrays that go on the wire, by the schema they are written with.

Columns meet fields by name. A column the schema does not have is left out; a field there
is no column for takes its default, or null where null is allowed. A value the schema has
no room for (a null, digits, an unknown symbol) fails, and is found by its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.avro import rows
from sabot.codecs.avro.columns import arrow_type, branch_fields
from sabot.codecs.avro.defaults import wire_default
from sabot.codecs.avro.leaves import Prepare, leaf_writer, misfit
from sabot.codecs.avro.schema import Field, Node
from sabot.codecs.avro.spans import span
from sabot.codecs.avro.texts import as_wire, wire_type
from sabot.errors import DecodeError, EncodeError, SchemaMismatchError

__all__ = ["column_writer", "writer"]


def column_writer(record: Node, columns: pa.Schema) -> Callable[[pa.RecordBatch], list[pa.Array]]:
    """Return what makes the fields of a record of columns.

    Raises:
        SchemaMismatchError: If columns of these types do not fit the record.
    """
    makers = _fields(record, list(columns), "")

    def prepare(batch: pa.RecordBatch) -> list[pa.Array]:
        return [make(batch.columns, None, batch.num_rows) for make in makers]

    return prepare


def writer(node: Node, kind: pa.DataType, where: str) -> Prepare:
    """Return what writes a column of one type as a node.

    Raises:
        SchemaMismatchError: If it cannot; ``where`` names the field.
    """
    if pa.types.is_dictionary(kind):
        inner = writer(node, kind.value_type, where)
        return lambda array, alive: inner(array.dictionary_decode(), alive)
    if isinstance(kind, pa.BaseExtensionType):
        inner = writer(node, kind.storage_type, where)
        return lambda array, alive: inner(array.storage, alive)
    if node.kind == "union":
        return _optional(node, kind, where) if node.optional else _union(node, kind, where)
    return _present(_value(node, kind, where), node, where)


def _value(node: Node, kind: pa.DataType, where: str) -> Prepare:
    if node.kind == "null":
        return lambda array, _alive: pa.nulls(len(array))
    if pa.types.is_null(kind):
        target = wire_type(node)
        return lambda array, _alive: pa.nulls(len(array), target)
    if node.kind == "record":
        return _record(node, kind, where)
    if node.items is not None:
        return _container(node, kind, where)
    return leaf_writer(node, kind, where)


def _present(prepare: Prepare, node: Node, where: str) -> Prepare:
    """Refuse nulls."""
    if node.kind == "null":
        return _only_nulls(prepare, where)

    def convert(array: Any, alive: Any) -> Any:
        if array.null_count:
            missing = array.is_null() if alive is None else pc.and_(alive, array.is_null())
            if pc.any(missing).as_py():
                raise EncodeError(f"field {where!r} is null, which its schema does not allow")
        return prepare(array, alive)

    return convert


def _only_nulls(prepare: Prepare, where: str) -> Prepare:
    def convert(array: Any, alive: Any) -> Any:
        present = array.is_valid() if alive is None else pc.and_(alive, array.is_valid())
        if pc.any(present).as_py():
            raise EncodeError(f"field {where!r} has a value, but its schema allows only null")
        return prepare(array, alive)

    return convert


# --- records ------------------------------------------------------------------------


def _fields(
    record: Node, columns: Sequence[pa.Field], where: str
) -> list[Callable[[Sequence[Any], Any, int], Any]]:
    positions = {column.name: number for number, column in enumerate(columns)}
    return [
        _field(field, columns, positions, f"{where}.{field.name}".lstrip("."))
        for field in record.fields
    ]


def _field(
    field: Field, columns: Sequence[pa.Field], positions: dict[str, int], where: str
) -> Callable[[Sequence[Any], Any, int], Any]:
    position = positions.get(field.name)
    if position is not None:
        prepare = writer(field.node, columns[position].type, where)
        return lambda found, alive, _count: prepare(found[position], alive)
    if field.default:
        try:
            value = wire_default(field.node, field.default[0], where)
        except DecodeError as error:
            raise SchemaMismatchError(str(error)) from error
    elif any(branch.kind == "null" for branch in (field.node, *field.node.branches)):
        value = None
    else:
        listed = ", ".join(map(repr, positions)) or "none"
        raise SchemaMismatchError(
            f"the schema has field {where!r} without a default, but the columns are {listed}"
        )
    return lambda _found, _alive, count: as_wire(
        field.node, rows.build(field.node, [value] * count)
    )


def _record(node: Node, kind: pa.DataType, where: str) -> Prepare:
    if not pa.types.is_struct(kind):
        raise misfit(node, kind, where)
    makers = _fields(node, list(kind), where)
    names = [rows.field_name(number) for number in range(len(makers))]

    def prepare(array: Any, alive: Any) -> Any:
        # Unlike `flatten`, these know nothing of the nulls around them.
        found = [array.field(number) for number in range(kind.num_fields)]
        inner = alive
        if array.null_count:
            valid = array.is_valid()
            inner = valid if alive is None else pc.and_(alive, valid)
        made = [make(found, inner, len(array)) for make in makers]
        if not made:
            return pa.StructArray.from_arrays([pa.nulls(len(array))], ["none"], mask=_mask(array))
        return pa.StructArray.from_arrays(made, names, mask=_mask(array))

    return prepare


# --- containers ---------------------------------------------------------------------


def _container(node: Node, kind: pa.DataType, where: str) -> Prepare:
    assert node.items is not None
    if node.kind == "map":
        if not pa.types.is_map(kind):
            raise misfit(node, kind, where)
        keys = writer(Node("string"), kind.key_type, f"{where} (its keys)")
        items = writer(node.items, kind.item_type, where)
        return lambda array, _alive: _map(array, keys, items)
    if not (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        raise misfit(node, kind, where)
    inner = writer(node.items, kind.value_type, where)
    plain = pa.list_(kind.value_type)
    return lambda array, _alive: _list(
        array if pa.types.is_list(kind) else array.cast(plain), inner
    )


def _list(array: Any, inner: Prepare) -> Any:
    offsets, first, count = span(array)
    items = inner(array.values.slice(first, count), None)
    return pa.ListArray.from_arrays(offsets, items, mask=_mask(array))


def _map(array: Any, keys: Prepare, items: Prepare) -> Any:
    offsets, first, count = span(array)
    return pa.MapArray.from_arrays(
        offsets,
        keys(array.keys.slice(first, count), None),
        items(array.items.slice(first, count), None),
        mask=_mask(array),
    )


def _mask(array: Any) -> Any:
    return array.is_null() if array.null_count else None


# --- unions -------------------------------------------------------------------------


def _optional(node: Node, kind: pa.DataType, where: str) -> Prepare:
    assert node.optional is not None
    return _value(node.optional, kind, where)


def _union(node: Node, kind: pa.DataType, where: str) -> Prepare:
    """Write the struct that such a union is read as, or a column that fits one branch."""
    names = [field.name for field in branch_fields(node)]
    if pa.types.is_struct(kind) and {field.name for field in kind} == set(names):
        return _struct_union(node, kind, where)
    for number, branch in sorted(
        enumerate(node.branches), key=lambda each: arrow_type(each[1]) != kind
    ):
        if branch.kind == "null":
            continue
        try:
            prepare = _value(branch, kind, where)
        except SchemaMismatchError:
            continue
        return _one_branch(node, number, prepare, where)
    if pa.types.is_null(kind):
        return _one_branch(node, -1, lambda array, _alive: array, where)
    raise misfit(node, kind, where)


def _struct_union(node: Node, kind: pa.DataType, where: str) -> Prepare:
    numbers = [number for number, branch in enumerate(node.branches) if branch.kind != "null"]
    prepares = {
        number: _value(node.branches[number], kind.field(node.branches[number].label).type, where)
        for number in numbers
    }

    def prepare(array: Any, alive: Any) -> Any:
        columns = {n: array.field(node.branches[n].label) for n in numbers}
        codes = pa.nulls(len(array), pa.int8())
        for number, column in reversed(columns.items()):
            codes = pc.if_else(column.is_valid(), pa.scalar(number, pa.int8()), codes)
        if array.null_count:
            codes = pc.if_else(array.is_valid(), codes, pa.scalar(None, pa.int8()))
        made = {n: prepares[n](columns[n], pc.equal(codes, n)) for n in numbers}
        return _sparse(node, codes, made, alive, where)

    return prepare


def _one_branch(node: Node, number: int, prepare: Prepare, where: str) -> Prepare:
    def convert(array: Any, alive: Any) -> Any:
        none = pa.scalar(None, pa.int8())
        codes = pc.if_else(array.is_valid(), pa.scalar(number, pa.int8()), none)
        made = {} if number < 0 else {number: prepare(array, array.is_valid())}
        return _sparse(node, codes, made, alive, where)

    return convert


def _sparse(node: Node, codes: Any, made: dict[int, Any], alive: Any, where: str) -> Any:
    """Make the union's array; a null code is the null branch."""
    nothing = next((n for n, branch in enumerate(node.branches) if branch.kind == "null"), None)
    if codes.null_count:
        missing = codes.is_null() if alive is None else pc.and_(alive, codes.is_null())
        if nothing is None and pc.any(missing).as_py():
            raise EncodeError(f"field {where!r} is null, which its schema does not allow")
        codes = pc.fill_null(codes, pa.scalar(nothing or 0, pa.int8()))
    children = []
    for number, branch in enumerate(node.branches):
        if branch.kind == "null":
            children.append(pa.nulls(len(codes)))
            continue
        inner = made.get(number)
        if inner is None:
            inner = pa.nulls(len(codes), wire_type(branch))
        children.append(pa.StructArray.from_arrays([inner], [rows.BRANCH_FIELD]))
    return pa.UnionArray.from_sparse(codes, children)
