"""Which schema a record was written by, which one it is read by, which one is written."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sabot.codecs.avro.deriving import derived_schema, usable_name
from sabot.codecs.avro.schema import Schema, SchemaSource, parse
from sabot.codecs.schema_registry import RegisteredSchema, SchemaRegistry, frame, subject_name
from sabot.errors import ConfigurationError, DecodeError, SchemaMismatchError, SchemaRegistryError

__all__ = ["GivenSchemas", "RegisteredSchemas", "Schemas"]

SINGLE_OBJECT = b"\xc3\x01"


class GivenSchemas:
    """Schemas that were given, without a registry.

    Args:
        schema: The schema that records are read by and written with.
        older: Further schemas that records may have been written with; single-object
            encoding names them by their fingerprints.
        single_object: Whether records name their schema so, or do not name it.
    """

    def __init__(
        self, schema: SchemaSource, older: Sequence[SchemaSource], *, single_object: bool
    ) -> None:
        self.pinned: Schema = parse(schema)
        self._prefix = SINGLE_OBJECT + self.pinned.fingerprint if single_object else b""
        known = [self.pinned, *map(parse, older)]
        self._writers = {SINGLE_OBJECT + each.fingerprint: each for each in known}
        self.skip = len(self._prefix)

    def writer(self, prefix: bytes) -> Schema:
        """Return the schema named by the bytes before a payload.

        Raises:
            DecodeError: If it is not known.
        """
        if prefix == self._prefix:
            return self.pinned
        if not prefix.startswith(SINGLE_OBJECT):
            raise DecodeError("the value does not begin with the bytes c3 01 of a single object")
        found = self._writers.get(prefix)
        if found is None:
            raise DecodeError(
                f"the value names a schema of fingerprint {prefix[2:].hex()}, which is none of "
                "those given"
            )
        return found

    @property
    def wanted(self) -> Schema | None:
        """The schema to read by."""
        return self.pinned

    def output(self, _columns: pa.Schema | None) -> tuple[Schema, bytes]:
        """Return the schema to write with, and what stands before each payload."""
        return self.pinned, self._prefix


class RegisteredSchemas:
    """Schemas of a registry.

    Records are read by the schema that was given; else by the newest one of the subject,
    asked for again whenever a record names a schema not seen before; else, where the
    subject is not known to the registry, by the one of the highest id any record has
    named, which is mostly the newest.
    """

    skip = len(frame(0))

    def __init__(self, registry: SchemaRegistry, schema: SchemaSource | None) -> None:
        self.registry = registry
        self.pinned = None if schema is None else parse(schema)
        self._wanted = self.pinned
        self._newest = -1
        self._parsed: dict[int, Schema] = {}
        self._refused: dict[int, DecodeError] = {}
        self._derived: dict[str, Schema] = {}

    def writer(self, prefix: bytes) -> Schema:
        """Return the schema named by the bytes before a payload.

        Raises:
            DecodeError: If there is none, or none that columns can be made of.
            SchemaRegistryUnavailableError: If the registry cannot be asked now.
        """
        if len(prefix) < self.skip or prefix[0]:
            raise DecodeError(
                f"the value begins with {prefix.hex()!r}, not with a zero and a schema id"
            )
        schema_id = int.from_bytes(prefix[1:], "big", signed=True)
        if schema_id in self._refused:
            raise self._refused[schema_id]
        found = self._parsed.get(schema_id)
        if found is None:
            # An unknown id is not kept here: the registry may learn of it.
            registered = self.registry.schema(schema_id)
            try:
                found = self._parsed[schema_id] = self._parse(registered)
            except DecodeError as error:
                self._refused[schema_id] = error
                raise
            self._look_for_a_newer_one(schema_id, found)
        return found

    @property
    def wanted(self) -> Schema | None:
        """The schema to read by; ``None`` before any was seen."""
        return self._wanted

    def output(self, columns: pa.Schema | None) -> tuple[Schema, bytes]:
        """Return the schema to write with, and what stands before each payload.

        Args:
            columns: What is to be written, ``None`` for Python objects.

        Raises:
            SchemaRegistryError: If the registry refuses the schema, or lacks it and it
                is not to be registered.
            SchemaMismatchError: If there is no schema and none can be made of columns.
        """
        settings = self.registry.settings
        if settings.use_latest_version:
            registered = self.registry.latest(self._subject(None))
            return self._parse(registered), frame(registered.id)
        schema = self.pinned or self._derive(columns)
        subject = self._subject(schema)
        ask = self.registry.register if settings.auto_register else self.registry.lookup
        return schema, frame(ask(subject, "AVRO", schema.text))

    def _derive(self, columns: pa.Schema | None) -> Schema:
        if columns is None:
            raise SchemaMismatchError(
                "codec 'avro' writes Python objects only by a schema; set 'schema' or "
                "'use_latest_version'"
            )
        key = columns.to_string()
        if key not in self._derived:
            settings = self.registry.settings
            name = usable_name(settings.subject or settings.topic or "Record")
            self._derived[key] = parse(derived_schema(columns.remove_metadata(), name))
        return self._derived[key]

    def _subject(self, schema: Schema | None) -> str:
        settings = self.registry.settings
        return settings.subject or subject_name(
            settings.subject_name_strategy,
            topic=settings.topic,
            record=schema.root.name if schema else None,
            for_key=settings.for_key,
        )

    def _look_for_a_newer_one(self, schema_id: int, found: Schema) -> None:
        if self.pinned is not None:
            return
        latest = self._latest_of_subject(found)
        if latest is not None:
            self._wanted = latest
        elif schema_id > self._newest:
            self._newest, self._wanted = schema_id, found

    def _latest_of_subject(self, found: Schema) -> Schema | None:
        try:
            return self._parse(self.registry.latest(self._subject(found)))
        except (SchemaRegistryError, DecodeError, ConfigurationError) as error:
            if error.retriable:
                raise
            return None

    def _parse(self, registered: RegisteredSchema) -> Schema:
        if registered.kind != "AVRO":
            raise DecodeError(f"schema {registered.id} is of kind {registered.kind}, not AVRO")
        imports = self.registry.resolve_references(registered).values()
        try:
            return parse(registered.text, list(imports))
        except ConfigurationError as error:
            raise DecodeError(f"schema {registered.id} cannot be used: {error}") from error


Schemas = GivenSchemas | RegisteredSchemas
