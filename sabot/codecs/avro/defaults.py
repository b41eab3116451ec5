"""Defaults: what the JSON of a schema says, as the value it would be on the wire."""

from __future__ import annotations

from typing import Any

from sabot.codecs.avro import rows
from sabot.codecs.avro.schema import Node
from sabot.errors import DecodeError

__all__ = ["wire_default"]

_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "bytes": (str,),
    "string": (str,),
    "fixed": (str,),
    "enum": (str,),
    "array": (list,),
    "map": (dict,),
    "record": (dict,),
    "null": (type(None),),
}


def wire_default(node: Node, value: Any, where: str, path: str = "r") -> Any:
    """Return a default as `sabot.codecs.avro.rows` takes it.

    Raises:
        DecodeError: If it is no value of its type; ``where`` names the field.
    """
    if node.kind == "union":
        return _of_union(node, value, where, path)
    fits = isinstance(value, _TYPES[node.kind])
    if not fits or (isinstance(value, bool) and node.kind != "boolean"):
        raise DecodeError(f"the default of field {where!r} is {value!r}, which is no {node.kind}")
    if node.kind == "string":
        return value.encode()
    if node.kind in ("bytes", "fixed"):
        return value.encode("latin-1")
    if node.kind == "enum":
        if value not in node.symbols:
            raise DecodeError(f"the default of field {where!r} is {value!r}, which is no symbol")
        return node.symbols.index(value)
    if node.kind == "array" and node.items is not None:
        return [wire_default(node.items, item, where, path) for item in value]
    if node.kind == "map" and node.items is not None:
        return {key: wire_default(node.items, item, where, path) for key, item in value.items()}
    return _of_record(node, value, where, path) if node.kind == "record" else value


def _of_union(node: Node, value: Any, where: str, path: str) -> Any:
    # The first branch, says the specification; the first that fits is what is also meant.
    for number, branch in enumerate(node.branches):
        try:
            found = wire_default(branch, value, where, path)
        except DecodeError:
            continue
        if branch.kind == "null" or node.optional is not None:
            return found
        return rows.branch_value(path, number, found)
    raise DecodeError(f"the default of field {where!r} is {value!r}, which no branch takes")


def _of_record(node: Node, value: Any, where: str, path: str) -> dict[str, Any]:
    made = {}
    for number, field in enumerate(node.fields):
        inner = f"{where}.{field.name}"
        if field.name not in value and not field.default:
            raise DecodeError(f"the default of field {where!r} lacks {field.name!r}")
        given = value[field.name] if field.name in value else field.default[0]
        made[rows.field_name(number)] = wire_default(field.node, given, inner, path)
    return made
