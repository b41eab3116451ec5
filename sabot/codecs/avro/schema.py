"""Avro schemas as trees: names resolved, logical types checked, limits kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sabot._optional import require
from sabot.errors import ConfigurationError

__all__ = ["Field", "Node", "Schema", "SchemaSource", "load", "parse"]

SchemaSource = str | Mapping[str, Any] | Sequence[Any]
"""A schema as users give it: JSON text, or what such text says."""

MAX_COLUMNS = 10_000
_MAX_DEPTH = 64
_MAX_BRANCHES = 127
_MAX_PARTED = 256
_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
_LOGICAL = {
    "date": {"int"},
    "time-millis": {"int"},
    "time-micros": {"long"},
    "timestamp-millis": {"long"},
    "timestamp-micros": {"long"},
    "timestamp-nanos": {"long"},
    "local-timestamp-millis": {"long"},
    "local-timestamp-micros": {"long"},
    "local-timestamp-nanos": {"long"},
    "decimal": {"bytes", "fixed"},
    "uuid": {"string", "fixed"},
}
MAX_PRECISION = 76


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record.

    Attributes:
        default: The default as JSON says it, in a list of its own; none if there is none.
    """

    name: str
    node: Node
    aliases: tuple[str, ...] = ()
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A type in a schema.

    Attributes:
        kind: A primitive type, or ``enum``, ``fixed``, ``array``, ``map``, ``record`` or
            ``union``.
        logical: The logical type, where it is known and stands on its proper kind.
        name: The full name of an enum, fixed or record.
        aliases: Its other names.
        items: What an array or map holds.
        fields: Of a record.
        branches: Of a union.
        symbols: Of an enum.
        default: Of an enum: the symbol read for one that is not known.
        size: Of a fixed, in bytes.
        precision, scale: Of a decimal.
    """

    kind: str
    logical: str | None = None
    name: str = ""
    aliases: tuple[str, ...] = ()
    items: Node | None = None
    fields: tuple[Field, ...] = ()
    branches: tuple[Node, ...] = ()
    symbols: tuple[str, ...] = ()
    default: str | None = None
    size: int = 0
    precision: int = 0
    scale: int = 0

    @property
    def optional(self) -> Node | None:
        """The other branch of a union of null and one type."""
        if self.kind != "union" or len(self.branches) != 2:
            return None
        others = [branch for branch in self.branches if branch.kind != "null"]
        return others[0] if len(others) == 1 else None

    @property
    def null_first(self) -> bool:
        """Whether a union's first branch is null."""
        return self.branches[0].kind == "null"

    @property
    def label(self) -> str:
        """What a branch of this type is called in a union."""
        return self.name or self.kind

    @property
    def takes_bytes(self) -> bool:
        """Whether each value takes at least one byte."""
        if self.kind == "record":
            return any(each.node.takes_bytes for each in self.fields)
        return self.kind != "null" and not (self.kind == "fixed" and self.size == 0)

    @property
    def needs_rows(self) -> bool:
        """Whether records must be taken one by one: see `sabot.codecs.avro.wire`."""
        if self.kind == "fixed":
            return self.size % 4 != 0 or self.size > _MAX_PARTED
        inner = (*(field.node for field in self.fields), *self.branches)
        return any(node.needs_rows for node in inner) or (
            self.items is not None and self.items.needs_rows
        )


@dataclass(frozen=True)
class Schema:
    """A schema, parsed.

    Attributes:
        root: Its tree.
        text: Its JSON text.
        parsed: The same as fastavro wants it.
        named: Every named type, as fastavro wants them.
    """

    root: Node
    text: str
    parsed: Any = field(repr=False, compare=False)
    named: dict[str, Any] = field(repr=False, compare=False)

    @property
    def record(self) -> Node:
        """The root, or a record with the root as its only field, ``value``."""
        if self.root.kind == "record":
            return self.root
        return Node("record", name="Value", fields=(Field("value", self.root),))

    @property
    def fingerprint(self) -> bytes:
        """What names the schema in single-object encoding."""
        schemas = _fastavro("schema")
        canonical = schemas.to_parsing_canonical_form(self.parsed)
        return bytes.fromhex(schemas.fingerprint(canonical, "CRC-64-AVRO"))


def load(source: SchemaSource) -> Any:
    """Return what JSON text says; anything else as it is.

    Raises:
        ConfigurationError: If the text is no JSON, or is nested too deeply.
    """
    if not isinstance(source, str):
        return source
    if source.strip() in _PRIMITIVES:
        return source.strip()
    try:
        return json.loads(source)
    except ValueError as error:
        raise ConfigurationError(f"the Avro schema is not JSON: {error}") from error
    except RecursionError as error:
        raise ConfigurationError("the Avro schema is nested too deeply") from error


def parse(source: SchemaSource, references: Sequence[str] = ()) -> Schema:
    """Parse a schema.

    Args:
        source: The schema.
        references: Texts of the schemas whose names it uses, each after those it uses
            itself.

    Raises:
        ConfigurationError: If it is no schema, or one that columns cannot be made of: a
            type that contains itself, or one that unfolds into too many columns.
    """
    named: dict[str, Any] = {}
    parse_schema = _fastavro("schema").parse_schema
    try:
        for text in references:
            parse_schema(load(text), named)
        loaded = load(source)
        parsed = parse_schema(loaded, named)
        root = _Tree(named).node(parsed, ())
    except ConfigurationError:
        raise
    except RecursionError as error:
        raise ConfigurationError("the Avro schema is nested too deeply") from error
    except Exception as error:
        # fastavro raises whatever its walk over the JSON runs into.
        raise ConfigurationError(
            f"the Avro schema cannot be used: {type(error).__name__}: {error}"
        ) from error
    return Schema(root, json.dumps(loaded), parsed, named)


class _Tree:
    """Builds nodes, counting them."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._count = 0

    def node(self, schema: Any, within: tuple[str, ...]) -> Node:
        self._count += 1
        if self._count > MAX_COLUMNS:
            raise ConfigurationError(
                f"the Avro schema unfolds into more than {MAX_COLUMNS} columns"
            )
        if len(within) > _MAX_DEPTH:
            raise ConfigurationError(f"the Avro schema is nested deeper than {_MAX_DEPTH} levels")
        if isinstance(schema, str):
            return self._by_name(schema, within)
        if isinstance(schema, list):
            return self._union(schema, within)
        kind = schema["type"]
        if not isinstance(kind, str):
            return self.node(kind, (*within, ""))
        if kind in _PRIMITIVES:
            return Node(kind, **_logical(kind, schema))
        if kind in ("array", "map"):
            return self._container(kind, schema, within)
        if kind not in ("record", "error", "enum", "fixed"):
            return self._by_name(kind, within)
        return self._defined(schema, within)

    def _by_name(self, name: str, within: tuple[str, ...]) -> Node:
        if name in _PRIMITIVES:
            return Node(name)
        if name in within:
            raise ConfigurationError(
                f"the Avro type {name!r} contains itself; columns cannot be made of it"
            )
        return self.node(self._named[name], within)

    def _union(self, branches: list[Any], within: tuple[str, ...]) -> Node:
        nodes = tuple(self.node(branch, (*within, "")) for branch in branches)
        labels = [node.label for node in nodes]
        if not nodes or len(nodes) > _MAX_BRANCHES or len(set(labels)) < len(labels):
            raise ConfigurationError(f"the Avro union of {labels} is not allowed")
        if any(node.kind == "union" for node in nodes):
            raise ConfigurationError("an Avro union cannot be a branch of another")
        return Node("union", branches=nodes)

    def _container(self, kind: str, schema: Any, within: tuple[str, ...]) -> Node:
        items = self.node(schema["items" if kind == "array" else "values"], (*within, ""))
        if kind == "array" and not items.takes_bytes:
            raise ConfigurationError(
                "the Avro schema has an array of items that take no bytes; ten bytes could "
                "claim a billion of them"
            )
        return Node(kind, items=items)

    def _defined(self, schema: Any, within: tuple[str, ...]) -> Node:
        kind, name = schema["type"], schema["name"]
        aliases = tuple(schema.get("aliases", ()))
        if kind == "enum":
            symbols = tuple(schema["symbols"])
            return Node(
                kind, name=name, aliases=aliases, symbols=symbols, default=schema.get("default")
            )
        if kind == "fixed":
            size = schema["size"]
            if not isinstance(size, int) or size < 0:
                raise ConfigurationError(f"the Avro fixed {name!r} has size {size!r}")
            return Node(kind, name=name, aliases=aliases, size=size, **_logical(kind, schema))
        inner = (*within, name)
        fields = tuple(
            Field(
                each["name"],
                self.node(each["type"], inner),
                tuple(each.get("aliases", ())),
                (each["default"],) if "default" in each else (),
            )
            for each in schema["fields"]
        )
        if len({each.name for each in fields}) < len(fields):
            raise ConfigurationError(f"the Avro record {name!r} has two fields of one name")
        return Node("record", name=name, aliases=aliases, fields=fields)


def _logical(kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a node has to say of its logical type; nothing where it is not valid.

    An unknown or invalid logical type is to be ignored, says the Avro specification.
    """
    logical = schema.get("logicalType")
    if not isinstance(logical, str) or kind not in _LOGICAL.get(logical, ()):
        return {}
    if logical == "uuid" and kind == "fixed" and schema.get("size") != 16:
        return {}
    if logical != "decimal":
        return {"logical": logical}
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int):
        return {}
    if not 0 < precision <= MAX_PRECISION or not 0 <= scale <= precision:
        return {}
    return {"logical": logical, "precision": precision, "scale": scale}


def _fastavro(module: str) -> Any:
    return require(f"fastavro.{module}", extra="avro", needed_by="codec 'avro'")
