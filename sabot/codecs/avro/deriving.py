"""A schema for columns that were given none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sabot.errors import SchemaMismatchError

__all__ = ["derived_schema", "usable_name"]


def derived_schema(columns: pa.Schema, name: str) -> dict[str, Any]:
    """Return the Avro schema that columns are written by if nothing else is said.

    Every field is nullable with null as its default, since every column is.

    Args:
        columns: The columns.
        name: What the record is called.

    Raises:
        SchemaMismatchError: If a column has a name or a type that Avro does not have.

    Example:
        >>> derived_schema(pa.schema([("n", pa.int64())]), "N")["fields"]
        [{'name': 'n', 'type': ['null', 'long'], 'default': None}]
    """
    return {"type": "record", "name": name, "fields": _fields(list(columns), name)}


def usable_name(text: str) -> str:
    """Return the nearest text that Avro takes as a name.

    Example:
        >>> usable_name("processed-transactions-value")
        'processed_transactions_value'
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def _fields(fields: list[pa.Field], path: str) -> list[dict[str, Any]]:
    for field in fields:
        if usable_name(field.name) != field.name:
            raise SchemaMismatchError(
                f"column {field.name!r} has a name that Avro does not allow; rename it to "
                f"{usable_name(field.name)!r}"
            )
    return [
        {
            "name": field.name,
            "type": _optional(_type(field.type, f"{path}_{field.name}")),
            "default": None,
        }
        for field in fields
    ]


def _optional(schema: Any) -> Any:
    return schema if schema == "null" else ["null", schema]


def _type(kind: pa.DataType, path: str) -> Any:
    for check, schema in _SCALARS:
        if check(kind):
            return schema
    if pa.types.is_dictionary(kind):
        return _type(kind.value_type, path)
    if isinstance(kind, pa.BaseExtensionType):
        return _type(kind.storage_type, path)
    if pa.types.is_decimal(kind):
        precision, scale = kind.precision, kind.scale
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    if pa.types.is_timestamp(kind):
        unit = "millis" if kind.unit in ("s", "ms") else "micros"
        local = "local-" if kind.tz is None else ""
        return {"type": "long", "logicalType": f"{local}timestamp-{unit}"}
    return _compound(kind, path)


def _compound(kind: pa.DataType, path: str) -> Any:
    if pa.types.is_fixed_size_binary(kind):
        return {"type": "fixed", "name": path, "size": kind.byte_width}
    if pa.types.is_struct(kind):
        return {"type": "record", "name": path, "fields": _fields(list(kind), path)}
    if pa.types.is_map(kind) and pa.types.is_string(kind.key_type):
        return {"type": "map", "values": _optional(_type(kind.item_type, path))}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        # Lists that were all empty have no type of items; null would take no bytes.
        items = "string" if pa.types.is_null(kind.value_type) else _type(kind.value_type, path)
        return {"type": "array", "items": ["null", items]}
    raise SchemaMismatchError(f"column {path!r} is of type {kind}, which Avro does not have")


def _any(*checks: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    return lambda kind: any(check(kind) for check in checks)


_is = pa.types
_SCALARS: tuple[tuple[Callable[[pa.DataType], bool], Any], ...] = (
    (_is.is_null, "null"),
    (_is.is_boolean, "boolean"),
    (_any(_is.is_int8, _is.is_int16, _is.is_int32, _is.is_uint8, _is.is_uint16), "int"),
    (_any(_is.is_integer, _is.is_duration), "long"),
    (_any(_is.is_float16, _is.is_float32), "float"),
    (_is.is_float64, "double"),
    (_any(_is.is_string, _is.is_large_string), "string"),
    (_any(_is.is_binary, _is.is_large_binary), "bytes"),
    (_is.is_date, {"type": "int", "logicalType": "date"}),
    (_is.is_time32, {"type": "int", "logicalType": "time-millis"}),
    (_is.is_time64, {"type": "long", "logicalType": "time-micros"}),
)
