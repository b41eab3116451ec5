"""A JSON Schema made ready: its validator, and the types it tells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from sabot._optional import require
from sabot.codecs.documents.format import NOT_A_DOCUMENT
from sabot.codecs.json.format import JSON
from sabot.codecs.json_schema.breadth import Breadth
from sabot.codecs.json_schema.references import References
from sabot.codecs.json_schema.types import column_types, inferable
from sabot.errors import CodecError

__all__ = ["MAX_DEPTH", "InvalidDocumentError", "JsonSchema", "read_schema"]

MAX_DEPTH = 200
"""How many objects and lists may stand inside one another; the validator has no bound."""

_MAX_REASONS = 4096
"""How many ways in which a document is not valid may be looked for, for a message."""

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class InvalidDocumentError(ValueError):
    """A document is no JSON, or not what the schema asks for."""


def read_schema(given: str | Mapping[str, Any]) -> Any:
    """Return a schema as Python's own types.

    Raises:
        CodecError: If it is no JSON, or neither an object nor a boolean.
    """
    try:
        found = json.loads(given if isinstance(given, str) else json.dumps(given))
    except (ValueError, TypeError, RecursionError) as error:
        raise CodecError(f"the JSON Schema is no JSON: {error}") from None
    if not isinstance(found, dict | bool):
        raise CodecError(f"the JSON Schema is {found!r}; it must be an object")
    return found


class JsonSchema:
    """A schema and what it refers to.

    Args:
        schema: The schema.
        others: The schemas it refers to, by the names it uses for them.

    Raises:
        CodecError: If it is no valid schema, refers to something that is not there, or
            unfolds into more than can be looked at.
    """

    def __init__(self, schema: Any, others: Mapping[str, Any] | None = None) -> None:
        references = References(schema, others or {})
        self._breadth = Breadth(schema, references)
        package = require("jsonschema_rs", extra="jsonschema", needed_by="codec 'json_schema'")
        self._invalid = package.ValidationError
        try:
            self._validator = package.validator_for(
                # Nothing is fetched from anywhere but the schema registry.
                schema,
                retriever=_retriever(references),
                validate_formats=False,
            )
        except (ValueError, package.ReferencingError) as error:
            text = str(error).partition("\n")[0]
            raise CodecError(f"the JSON Schema cannot be used: {text}") from None
        self._is_valid: Callable[[Any], bool] = self._validator.is_valid
        self._parse: Callable[[Any], Any] = msgspec.json.Decoder().decode
        kind = column_types(schema, references)
        if kind is None or not pa.types.is_struct(kind):
            kind = pa.struct([])
        self.title = schema.get("title") if isinstance(schema, dict) else None
        self.pinned = pa.schema(list(kind)) if _complete(kind) else None
        self.known = pa.schema(list(inferable(kind)))
        self.without_null = frozenset(field.name for field in kind if self._refuses_null(field))

    def check(self, value: bytes) -> Any:
        """Parse and validate a document, and return it as Python's own types.

        Raises:
            InvalidDocumentError: If it is no JSON, nested too deeply, or not valid.
        """
        if value.count(b"{") + value.count(b"[") > MAX_DEPTH:
            _check_depth(value)
        try:
            document = self._parse(value)
        except NOT_A_DOCUMENT as error:
            raise InvalidDocumentError(JSON.reason(error)) from None
        if not self._is_valid(document):
            raise InvalidDocumentError(self._why(document))
        return document

    def without_misplaced_nulls(self, document: Any) -> Any:
        """Remove members that are null where the schema takes no null; changes it in place."""
        removed = True
        while removed:
            removed = False
            for path in [list(error.instance_path) for error in self._errors(document)]:
                removed = _remove_null(document, path) or removed
        return document

    def _errors(self, document: Any) -> list[Any]:
        return list(self._validator.iter_errors(document))

    def _refuses_null(self, field: pa.Field) -> bool:
        if self._breadth.ways > _MAX_REASONS:
            return False
        errors = self._errors({field.name: None})
        return any(list(error.instance_path) == [field.name] for error in errors)

    def _why(self, document: Any) -> str:
        ways = self._breadth.ways
        if self._breadth.circular and ways > 1:
            # The ways multiply with each level; a level of its own adds none.
            ways **= min(_depth(document), MAX_DEPTH)
        if ways > _MAX_REASONS:
            # Its reason has one for each way, and would be far larger than the document.
            return "the value is not valid"
        try:
            self._validator.validate(document)
        except self._invalid as error:
            path = ".".join(map(str, error.instance_path))
            where = f"field {path!r}" if path else "the value"
            words = str(error.message)
            shown = words if len(words) <= 300 else f"{words[:300]}…"
            return f"{where} is not valid: {shown}"
        return "the value is not valid"


def _complete(kind: pa.DataType) -> bool:
    """Say whether a struct has fields, and each type within it is known."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_known(field.type) for field in kind)
    return False


def _known(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return all(_known(field.type) for field in kind)
    if pa.types.is_list(kind):
        return _known(kind.value_type)
    if pa.types.is_map(kind):
        return _known(kind.item_type)
    return not pa.types.is_null(kind)


def _retriever(references: References) -> Callable[[str], Any]:
    def retrieve(uri: str) -> Any:
        found = references.document(uri.removeprefix("json-schema:///"))
        if found is None:
            raise LookupError(f"{uri!r} is not among the schemas it refers to")
        return found[0]

    return retrieve


def _check_depth(value: bytes) -> None:
    depth = 0
    for byte in _STRINGS.sub(b"", value):
        if byte in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidDocumentError(f"the value is nested deeper than {MAX_DEPTH} levels")
        elif byte in b"}]":
            depth -= 1


def _depth(document: Any) -> int:
    """Return how many objects and lists stand inside one another."""
    depth, level = 0, [document]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [item for each in level for item in _items(each)]
    return depth


def _items(document: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return document.values() if isinstance(document, dict) else document


def _remove_null(document: Any, path: list[Any]) -> bool:
    if not path:
        return False
    for step in path[:-1]:
        document = document[step]
    if isinstance(document, dict) and document.get(path[-1], document) is None:
        del document[path[-1]]
        return True
    return False
