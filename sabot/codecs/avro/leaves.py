"""Columns of scalars as the arrays that go on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.avro.columns import UUID_TEXT, arrow_type, primitive_type
from sabot.codecs.avro.schema import Node
from sabot.codecs.avro.texts import as_text
from sabot.errors import EncodeError, SchemaMismatchError

__all__ = ["Prepare", "leaf_writer", "misfit"]

Prepare = Callable[[Any, Any], Any]
"""Makes the wire's array of a column; the second argument is that of
`sabot.codecs.avro.reading.Convert`."""


def leaf_writer(node: Node, kind: pa.DataType, where: str) -> Prepare:
    """Return what writes a column of a type without parts.

    Raises:
        SchemaMismatchError: If it cannot; ``where`` names the field.
    """
    if node.logical == "decimal":
        return _decimal(node, kind, where)
    if node.kind in ("string", "bytes"):
        return _text(node, kind, where)
    if node.kind == "enum":
        return _enum(node, kind, where)
    if node.kind == "fixed":
        return _fixed(node, kind, where)
    meant, plain = arrow_type(node), primitive_type(node)
    if not _same_family(kind, meant):
        raise misfit(node, kind, where)

    def prepare(array: Any, _alive: Any) -> Any:
        if array.type != meant:
            try:
                array = array.cast(meant, safe=not pa.types.is_floating(meant))
            except pa.ArrowInvalid as error:
                raise EncodeError(f"field {where!r} does not fit {meant}: {error}") from None
        if meant != plain:
            array = array.view(plain)
        return array.cast(pa.int64()) if plain == pa.int32() else array

    return prepare


_FAMILIES: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_date,
    pa.types.is_time,
)


def _same_family(kind: pa.DataType, meant: pa.DataType) -> bool:
    if pa.types.is_timestamp(meant):
        return bool(pa.types.is_timestamp(kind) and (kind.tz is None) == (meant.tz is None))
    if pa.types.is_floating(meant):
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    if pa.types.is_int64(meant) and pa.types.is_duration(kind):
        return True
    return any(family(kind) and family(meant) for family in _FAMILIES)


def _text(node: Node, kind: pa.DataType, where: str) -> Prepare:
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()
    octets = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view()
    whole = pa.types.is_fixed_size_binary(kind)
    if node.kind == "string" and not texts:
        raise misfit(node, kind, where)
    if node.kind == "bytes" and not (octets or whole or texts):
        raise misfit(node, kind, where)

    def prepare(array: Any, _alive: Any) -> Any:
        if array.type not in (pa.string(), pa.binary()):
            array = array.cast(pa.string() if texts else pa.binary())
        if (
            node.logical == "uuid"
            and pc.any(pc.invert(pc.match_substring_regex(array, UUID_TEXT))).as_py()
        ):
            raise EncodeError(f"field {where!r} is not a UUID")
        return as_text(array)

    return prepare


def _enum(node: Node, kind: pa.DataType, where: str) -> Prepare:
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise misfit(node, kind, where)
    symbols = pa.array(node.symbols, pa.string())

    def prepare(array: Any, _alive: Any) -> Any:
        found = pc.index_in(array.cast(pa.string()), symbols).cast(pa.int64())
        if found.null_count > array.null_count:
            listed = ", ".join(map(repr, node.symbols))
            raise EncodeError(f"field {where!r} is none of the symbols {listed}")
        return found

    return prepare


def _fixed(node: Node, kind: pa.DataType, where: str) -> Prepare:
    texts = node.logical == "uuid" and pa.types.is_string(kind)
    octets = pa.types.is_fixed_size_binary(kind) or pa.types.is_binary(kind)
    if not (texts or octets):
        raise misfit(node, kind, where)

    def prepare(array: Any, _alive: Any) -> Any:
        if texts:
            return _uuid_bytes(array, where)
        array = array.cast(pa.binary())
        if pc.any(pc.not_equal(pc.binary_length(array), node.size)).as_py():
            raise EncodeError(f"field {where!r} is not of {node.size} bytes")
        return array

    return prepare


def _uuid_bytes(array: Any, where: str) -> Any:
    if pc.any(pc.invert(pc.match_substring_regex(array, UUID_TEXT))).as_py():
        raise EncodeError(f"field {where!r} is not a UUID")
    hexadecimal = pc.replace_substring(array, "-", "").to_pylist()
    return pa.array(
        [None if text is None else bytes.fromhex(text) for text in hexadecimal], pa.binary()
    )


def _decimal(node: Node, kind: pa.DataType, where: str) -> Prepare:
    if not (pa.types.is_decimal(kind) or pa.types.is_integer(kind)):
        raise misfit(node, kind, where)
    meant = arrow_type(node)
    width = meant.bit_width // 8

    def prepare(array: Any, _alive: Any) -> Any:
        if array.type != meant:
            array = array.cast(meant)
        data = array.buffers()[1]
        start = array.offset * width
        raw = data.to_pybytes()[start : start + len(array) * width] if data else b""
        valid = array.is_valid().to_pylist()
        found = [
            _unscaled(raw[at * width : (at + 1) * width], node, where) if ok else None
            for at, ok in enumerate(valid)
        ]
        made = pa.array(found, pa.binary())
        return made if node.kind == "fixed" else as_text(made)

    return prepare


def _unscaled(raw: bytes, node: Node, where: str) -> bytes:
    number = int.from_bytes(raw, "little", signed=True)
    length = (
        node.size or (number.bit_length() if number >= 0 else (number + 1).bit_length()) // 8 + 1
    )
    try:
        return number.to_bytes(length, "big", signed=True)
    except OverflowError as error:
        raise EncodeError(f"field {where!r} does not fit into {node.size} bytes") from error


def misfit(node: Node, kind: pa.DataType, where: str) -> SchemaMismatchError:
    """Return the error of a column that the schema has no room for."""
    return SchemaMismatchError(
        f"column {where!r} is of type {kind}, but the schema wants {node.logical or node.label!r}"
    )
