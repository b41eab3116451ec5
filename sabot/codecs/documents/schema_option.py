"""``codec_options={"schema": ...}``: the types of the columns, pinned.

Of a `pyarrow.Schema`, these types can be pinned, and JSON is read into them so:

===========================  =========================================================
type                         JSON
===========================  =========================================================
integers                     an integer in the type's range; ``1.0`` is none
floats                       a number in the type's range, rounded to the nearest
bool, null                   ``true`` and ``false``; ``null``
string, large_string         text, or an integer of any size, whose digits are kept
decimal128, decimal256       a number, or text with one; digits that do not fit: refused
timestamp                    ISO 8601 text, or an integer that counts the type's unit
date32, date64               ISO 8601 text, or an integer of days or milliseconds
binary (all kinds)           base64 text
list (all kinds), struct     a list, an object
map with string keys         an object
===========================  =========================================================

Text for a timestamp needs an offset (or ``Z``) exactly where the type has a time zone,
and no more digits than its unit has. A missing field is null. ``nullable=False`` is not
checked, since a tombstone must be able to stand as a row of nulls.

Of a JSON Schema only the types are taken: ``type`` (with ``"null"`` or not),
``properties``, ``items``, ``additionalProperties`` (a schema makes a map), ``anyOf`` of
one type and null. ``integer`` is int64 and ``number`` double; text stays text, whatever
its ``format``. Rules about values (``required``, ``minimum``, ``pattern``, ``enum``, …)
are not checked. What would change a type and is not known, such as ``$ref`` or
``oneOf``, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sabot.errors import ConfigurationError

__all__ = ["pinned_schema"]

_SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "null": pa.null(),
}
_DECIDES_TYPES = (
    "$ref",
    "$dynamicRef",
    "allOf",
    "oneOf",
    "not",
    "if",
    "patternProperties",
    "dependentSchemas",
    "prefixItems",
    "unevaluatedProperties",
    "unevaluatedItems",
)
_READABLE = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_decimal128,
    pa.types.is_decimal256,
    pa.types.is_timestamp,
    pa.types.is_date,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def pinned_schema(given: pa.Schema | Mapping[str, Any]) -> pa.Schema:
    """Return the columns that a schema option asks for.

    Raises:
        ConfigurationError: If it is no schema, or has a type that JSON is not read into;
            the message names the path.

    Example:
        >>> schema = pinned_schema({"type": "object", "properties": {"id": {"type": "integer"}}})
        >>> str(schema)
        'id: int64'
    """
    if isinstance(given, pa.Schema):
        _check_fields(list(given), "")
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"codec option 'schema' is {given!r}; give a pyarrow.Schema or a JSON Schema (a dict)"
        )
    kind = _arrow_type(given, "")
    if not pa.types.is_struct(kind):
        raise ConfigurationError(
            f"the JSON Schema describes {kind}; it must describe an object with 'properties'"
        )
    return pa.schema(list(kind))


def _check_fields(fields: list[pa.Field], path: str) -> None:
    names = [field.name for field in fields]
    for field in fields:
        where = f"{path}.{field.name}" if path else field.name
        if names.count(field.name) > 1:
            raise ConfigurationError(f"field {where!r} occurs more than once in the schema")
        _check_type(field.type, where)


def _check_type(kind: pa.DataType, path: str) -> None:
    if pa.types.is_struct(kind):
        _check_fields(list(kind), path)
    elif pa.types.is_map(kind):
        if not pa.types.is_string(kind.key_type):
            raise ConfigurationError(
                f"field {path!r} is a map with keys of type {kind.key_type}; keys of JSON "
                "objects are strings"
            )
        _check_type(kind.item_type, f"{path}{{}}")
    elif any(check(kind) for check in _LISTS):
        _check_type(kind.value_type, f"{path}[]")
    elif not any(check(kind) for check in _READABLE):
        raise ConfigurationError(
            f"field {path!r} is of type {kind}, which JSON is not read into; "
            "pin it as a string or a number and convert it in a step"
        )


def _arrow_type(schema: Any, path: str) -> pa.DataType:
    if not isinstance(schema, Mapping):
        raise _refused(path, f"has schema {schema!r}; a dict with a 'type' is needed")
    for keyword in _DECIDES_TYPES:
        if keyword in schema:
            raise _refused(path, f"uses {keyword!r}, which does not pin one type")
    if "anyOf" in schema:
        return _optional(schema, path)
    name = _type_name(schema, path)
    if name == "object":
        return _object(schema, path)
    if name == "array":
        if "items" not in schema:
            raise _refused(path, "is an array without 'items', so its items have no type")
        return pa.list_(_arrow_type(schema["items"], f"{path}[]"))
    if name not in _SCALARS:
        raise _refused(path, f"has 'type' {name!r}, which JSON Schema does not know")
    return _SCALARS[name]


def _type_name(schema: Mapping[str, Any], path: str) -> Any:
    given = schema.get("type")
    if given is None:
        raise _refused(path, "has no 'type'")
    if not isinstance(given, list):
        return given
    names = [name for name in given if name != "null"]
    if len(names) > 1:
        raise _refused(path, f"has 'type' {given!r}; one type, and null, can be pinned")
    return names[0] if names else "null"


def _optional(schema: Mapping[str, Any], path: str) -> pa.DataType:
    others = [one for one in schema["anyOf"] if one != {"type": "null"}]
    if len(others) != 1 or "type" in schema:
        raise _refused(path, "uses 'anyOf' for more than one type and null")
    return _arrow_type(others[0], path)


def _object(schema: Mapping[str, Any], path: str) -> pa.DataType:
    properties = schema.get("properties")
    extra = schema.get("additionalProperties")
    if isinstance(extra, Mapping):
        if properties:
            raise _refused(path, "has 'properties' and a schema for 'additionalProperties'")
        return pa.map_(pa.string(), _arrow_type(extra, f"{path}{{}}"))
    if not isinstance(properties, Mapping):
        raise _refused(path, "is an object without 'properties'")
    return pa.struct(
        [
            pa.field(name, _arrow_type(member, f"{path}.{name}" if path else name))
            for name, member in properties.items()
        ]
    )


def _refused(path: str, what: str) -> ConfigurationError:
    where = f"field {path!r} of the JSON Schema" if path else "the JSON Schema"
    return ConfigurationError(f"{where} {what}")
