"""Bytes to arrays of the few types the wire knows, and back.

What is on the wire says little of what it means: dates, enums and integers of any size
are all the same variable-length number, text and bytes are both a length with bytes
behind it. So a schema is first reduced to those few types, under names of no meaning,
and `sabot.codecs.avro.reading` and `sabot.codecs.avro.writing` know the rest.

* int, long, enum: ``long``
* bytes, string: ``string``, whose bytes may be no text at all
* a branch of a union that is not just null and another type: a record of one field, since
  two branches may be reduced to the same type

pyruhvro decodes columns of these types without a Python object for each value. It knows
no fixed, nor what takes no bytes inside of something else (a null in a nested record, a
record without fields); a schema with one of those goes through fastavro, record by record.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sabot._optional import require
from sabot.codecs.avro import rows
from sabot.codecs.avro.schema import Node
from sabot.errors import CodecError, DecodeError

__all__ = ["Wire", "wire_of"]

# Behind every payload: it is found where the record ends, unless bytes are left over.
_END = b"\x1dSabot\xe2\x3f"
_END_FIELD = {"name": "end", "type": "double"}
_END_VALUE = pa.scalar(int.from_bytes(_END, "little", signed=True), pa.int64())


class Wire(Protocol):
    """Decodes and encodes the records of one schema."""

    def decode(self, values: Sequence[bytes], skip: int) -> list[pa.Array]:
        """Return an array for each field of the records.

        Args:
            values: The records.
            skip: How many bytes stand before each payload.

        Raises:
            ValueError, DecodeError: If one of the records, or more, cannot be read.
        """
        ...

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        """Return the bytes of each row."""
        ...


def wire_of(record: Node) -> Wire:
    """Return what decodes and encodes the records of a schema."""
    return RowWire(record) if record.needs_rows else ColumnWire(record)


class ColumnWire:
    """Through pyruhvro."""

    def __init__(self, record: Node) -> None:
        self._codec = require("pyruhvro", extra="avro", needed_by="codec 'avro'")
        schema = reduced(record, "r", text="string")
        self._write = json.dumps(schema)
        self._read = json.dumps(schema | {"fields": [*schema["fields"], _END_FIELD]})
        self._count = len(record.fields)

    def decode(self, values: Sequence[bytes], skip: int) -> list[pa.Array]:
        ended = [value[skip:] + _END for value in values]
        batch = _unpanicked(self._codec.deserialize_array, ended, self._read)
        found = batch.column(batch.num_columns - 1).view(pa.int64())
        if not pc.all(pc.equal(found, _END_VALUE)).as_py():
            raise DecodeError("bytes are left behind the end of the record")
        return list(batch.columns[: self._count])

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        names = [rows.field_name(number) for number in range(len(columns))]
        batch = pa.RecordBatch.from_arrays(list(columns), names=names)
        encoded: list[bytes] = []
        for chunk in _unpanicked(self._codec.serialize_record_batch, batch, self._write, 1):
            encoded.extend(chunk.to_pylist())
        return encoded


def _unpanicked(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call into pyruhvro; what it panics about is the fault of a value, as an error is.

    A column of more than 2 GB is such a case: its batch is halved.
    """
    try:
        return call(*arguments)
    except BaseException as panic:
        # It has no type that could be imported, and is no Exception.
        if type(panic).__name__ != "PanicException":
            raise
        raise CodecError(f"the decoder gave up: {panic}") from panic


class RowWire:
    """Through fastavro."""

    def __init__(self, record: Node) -> None:
        fastavro = require("fastavro", extra="avro", needed_by="codec 'avro'")
        self._record = record
        self._schema = fastavro.parse_schema(reduced(record, "r", text="bytes"))
        self._reader = fastavro.schemaless_reader
        self._writer = fastavro.schemaless_writer

    def decode(self, values: Sequence[bytes], skip: int) -> list[pa.Array]:
        found = [self._decode_one(value, skip) for value in values]
        return [
            rows.build(field.node, [row[rows.field_name(number)] for row in found])
            for number, field in enumerate(self._record.fields)
        ]

    def _decode_one(self, value: bytes, skip: int) -> dict[str, Any]:
        stream = io.BytesIO(value)
        stream.seek(skip)
        try:
            row: dict[str, Any] = self._reader(stream, self._schema, None, return_record_name=True)
        except (ValueError, LookupError, EOFError, OverflowError, MemoryError, TypeError) as error:
            raise DecodeError(f"{type(error).__name__}: {error}") from error
        if stream.tell() != len(value):
            raise DecodeError("bytes are left behind the end of the record")
        return row

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        fields = [
            rows.values(field.node, column, rows.child_path("r", number))
            for number, (field, column) in enumerate(zip(self._record.fields, columns, strict=True))
        ]
        names = [rows.field_name(number) for number in range(len(fields))]
        encoded = []
        for row in zip(*fields, strict=True):
            stream = io.BytesIO()
            self._writer(stream, self._schema, dict(zip(names, row, strict=True)))
            encoded.append(stream.getvalue())
        return encoded


def reduced(node: Node, path: str, *, text: str) -> Any:
    """Return the schema of what is on the wire.

    Args:
        node: The type.
        path: Where it stands, which makes names that are unique.
        text: What bytes and strings are called.
    """
    if node.kind in ("int", "long", "enum"):
        return "long"
    if node.kind in ("bytes", "string"):
        return text
    if node.kind == "fixed":
        return {"type": "fixed", "name": path, "size": node.size}
    if node.items is not None:
        items = reduced(node.items, rows.child_path(path, 0), text=text)
        return {"type": node.kind, "items" if node.kind == "array" else "values": items}
    if node.kind == "union":
        return [_branch(node, number, path, text) for number in range(len(node.branches))]
    if node.kind != "record":
        return node.kind
    fields = [
        {
            "name": rows.field_name(number),
            "type": reduced(field.node, rows.child_path(path, number), text=text),
        }
        for number, field in enumerate(node.fields)
    ]
    return {"type": "record", "name": path, "fields": fields}


def _branch(union: Node, number: int, path: str, text: str) -> Any:
    branch = union.branches[number]
    if branch.kind == "null":
        return "null"
    if union.optional is not None:
        return reduced(branch, path, text=text)
    name = rows.branch_name(path, number)
    field = {"name": rows.BRANCH_FIELD, "type": reduced(branch, name, text=text)}
    # The field is of another name space than the record inside it.
    return {"type": "record", "name": f"{name}_", "fields": [field]}
