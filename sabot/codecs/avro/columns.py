"""Which Arrow type an Avro type becomes.

==============================  ========================================================
the Avro type                    becomes
==============================  ========================================================
boolean, int, long, float,      bool, int32, int64, float, double, string, binary
double, string, bytes
fixed                           fixed-size binary; binary beyond 64 bytes
enum                            string
array, map, record              list, map, struct
null or another type            that other type, nullable
any other union                 a struct with a field for each branch but null, called
                                as the branch's type; at most one of them is not null
date                            date32
time-millis, time-micros        time32(ms), time64(us)
timestamp-millis, -micros,      timestamp of that unit in UTC
-nanos
local-timestamp-millis, …       timestamp of that unit without a time zone
decimal                         decimal128, or decimal256 beyond 38 digits
uuid                            string
==============================  ========================================================

Every column may hold nulls, since a tombstone is a row of nulls.
"""

from __future__ import annotations

import pyarrow as pa

from sabot.codecs.avro.schema import Node

__all__ = ["UUID_TEXT", "arrow_schema", "arrow_type", "branch_fields", "primitive_type"]

UUID_TEXT = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
"""What the text of a UUID looks like."""

_FIXED_BYTES = 64

_PRIMITIVES: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_LOGICAL: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "timestamp-nanos": pa.timestamp("ns", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
    "local-timestamp-nanos": pa.timestamp("ns"),
    "uuid": pa.string(),
}


def arrow_schema(record: Node) -> pa.Schema:
    """Return the columns of a record."""
    return pa.schema([(field.name, arrow_type(field.node)) for field in record.fields])


def arrow_type(node: Node) -> pa.DataType:
    """Return the type of a column."""
    if node.logical == "decimal":
        width = pa.decimal128 if node.precision <= 38 else pa.decimal256
        return width(node.precision, node.scale)
    if node.logical is not None:
        return _LOGICAL[node.logical]
    if node.kind == "array":
        assert node.items is not None
        return pa.list_(arrow_type(node.items))
    if node.kind == "map":
        assert node.items is not None
        return pa.map_(pa.string(), arrow_type(node.items))
    if node.kind == "record":
        return pa.struct([(field.name, arrow_type(field.node)) for field in node.fields])
    if node.kind == "union":
        if node.optional is not None:
            return arrow_type(node.optional)
        fields = branch_fields(node)
        return pa.struct(fields) if fields else pa.null()
    return primitive_type(node)


def primitive_type(node: Node) -> pa.DataType:
    """Return the type of a column if the node had no logical type."""
    if node.kind == "fixed":
        # Of a fixed-size array every null takes as much room as a value.
        return pa.binary(node.size) if node.size <= _FIXED_BYTES else pa.binary()
    return _PRIMITIVES[node.kind]


def branch_fields(union: Node) -> list[pa.Field]:
    """Return the fields of the struct that a union becomes."""
    return [
        pa.field(branch.label, arrow_type(branch))
        for branch in union.branches
        if branch.kind != "null"
    ]
