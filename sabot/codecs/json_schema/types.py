"""The types of columns that a JSON Schema tells.

=========================================  ===========================================
the schema says                            the column is
=========================================  ===========================================
``string``, ``integer``, ``number``,       string, int64, double, bool
``boolean``
``null``; a type or ``null``               null; the type
``object`` with ``properties``             a struct
``object`` whose ``additionalProperties``  a map with string keys
have a schema, and no ``properties``
``array`` with ``items``                   a list
``enum``, ``const``                        the type of the values, if they have one
``$ref``                                   what it leads to
``oneOf``, ``anyOf``                       the type of all branches but null, if it is one
``allOf``                                  what the parts say together
anything else                              not known: inferred from the records
=========================================  ===========================================

Text stays text, whatever its ``format``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sabot.codecs.json_schema.references import References

__all__ = ["column_types", "inferable"]

_SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "null": pa.null(),
}
_PYTHON = {str: "string", bool: "boolean", int: "integer", float: "number"}
_MAX_FIELDS = 10_000
_MAX_STEPS = 100_000


def column_types(schema: Any, references: References) -> pa.DataType | None:
    """Return the type of a document: a struct, unless it is no object or not known.

    A field whose type is not known is there with type null. Of a schema that unfolds into
    too many fields nothing is known.
    """
    walk = _Types(references)
    found = walk.of(schema, references.root, ())
    return None if walk.too_many else found


def inferable(kind: pa.DataType) -> pa.DataType:
    """Return a type as inference may begin with it: without maps.

    Example:
        >>> inferable(pa.struct([("n", pa.int64()), ("m", pa.map_(pa.string(), pa.int64()))]))
        StructType(struct<n: int64, m: null>)
    """
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, inferable(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(inferable(kind.value_type))
    return pa.null() if pa.types.is_map(kind) else kind


class _Types:
    """One walk over a schema; it counts what it meets, and stops at too many."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._fields = 0
        self._steps = 0

    @property
    def too_many(self) -> bool:
        """Whether it has stopped."""
        return self._fields > _MAX_FIELDS or self._steps > _MAX_STEPS

    def of(self, schema: Any, base: str, around: Sequence[int]) -> pa.DataType | None:
        """Return the type, ``None`` where it is not known.

        Args:
            schema: The schema.
            base: The document it stands in.
            around: The schemas it stands in, by identity; what stands in itself is not
                known.
        """
        self._steps += 1
        if not isinstance(schema, Mapping) or id(schema) in around or self.too_many:
            return None
        around = (*around, id(schema))
        found = [
            kind
            for kind in (
                self._reference(schema, base, around),
                *self._parts(schema, base, around),
                self._choice(schema, base, around),
                self._own(schema, base, around),
            )
            if kind is not None
        ]
        return _together(found)

    def _reference(
        self, schema: Mapping[str, Any], base: str, around: Sequence[int]
    ) -> pa.DataType | None:
        target = schema.get("$ref")
        if not isinstance(target, str):
            return None
        found, where = self._references.find(target, base)
        return self.of(found, where, around)

    def _parts(
        self, schema: Mapping[str, Any], base: str, around: Sequence[int]
    ) -> list[pa.DataType | None]:
        parts = schema.get("allOf")
        return [self.of(part, base, around) for part in parts] if isinstance(parts, list) else []

    def _choice(
        self, schema: Mapping[str, Any], base: str, around: Sequence[int]
    ) -> pa.DataType | None:
        for keyword in ("oneOf", "anyOf"):
            branches = schema.get(keyword)
            if isinstance(branches, list):
                kinds = [self.of(branch, base, around) for branch in branches]
                others = [kind for kind in kinds if kind is None or not pa.types.is_null(kind)]
                if not others:
                    return pa.null()
                return others[0] if all(kind == others[0] for kind in others) else None
        return None

    def _own(
        self, schema: Mapping[str, Any], base: str, around: Sequence[int]
    ) -> pa.DataType | None:
        name = _type_name(schema)
        if name == "object":
            return self._object(schema, base, around)
        if name == "array":
            item = self.of(schema.get("items"), base, around)
            return None if item is None else pa.list_(item)
        return _SCALARS.get(name) if name else None

    def _object(
        self, schema: Mapping[str, Any], base: str, around: Sequence[int]
    ) -> pa.DataType | None:
        properties = schema.get("properties")
        extra = schema.get("additionalProperties")
        if isinstance(properties, Mapping) and properties:
            self._fields += len(properties)
            return pa.struct(
                [
                    (name, self.of(member, base, around) or pa.null())
                    for name, member in properties.items()
                ]
            )
        if isinstance(extra, Mapping) and extra and "patternProperties" not in schema:
            item = self.of(extra, base, around)
            return None if item is None else pa.map_(pa.string(), item)
        return None


def _type_name(schema: Mapping[str, Any]) -> str | None:
    given = schema.get("type")
    if isinstance(given, list):
        names = [name for name in given if name != "null"]
        if len(names) > 1:
            # An integer is a number too.
            return "number" if set(names) == {"integer", "number"} else None
        given = names[0] if names else "null"
    if isinstance(given, str):
        return given
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    kinds = {_PYTHON.get(type(value)) for value in values if value is not None}
    if len(kinds) == 1:
        return kinds.pop()
    return "object" if isinstance(schema.get("properties"), Mapping) else None


def _together(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return the type that all of these are, with the fields of all if they are structs."""
    if not kinds:
        return None
    if len(kinds) > 1 and all(pa.types.is_struct(kind) for kind in kinds):
        fields: dict[str, pa.DataType] = {}
        for field in (field for kind in kinds for field in kind):
            known = fields.get(field.name)
            unknown = known is None or pa.types.is_null(known)
            fields[field.name] = field.type if unknown else known
        return pa.struct(list(fields.items()))
    return kinds[0] if all(kind == kinds[0] for kind in kinds) else None
