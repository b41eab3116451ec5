"""JSON Schemas in a registry."""

from __future__ import annotations

from sabot.codecs.json_schema.schema import JsonSchema, read_schema
from sabot.codecs.schema_registry import (
    RegisteredSchema,
    RegistrySettings,
    SchemaRegistry,
    frame,
    subject_name,
)
from sabot.errors import CodecError, DecodeError, SchemaRegistryError

__all__ = ["RegisteredSchemas"]


class RegisteredSchemas:
    """Schemas by their id, and the one to write by.

    Args:
        settings: Where the registry is.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._registry = SchemaRegistry(settings)
        self._schemas: dict[int, JsonSchema | str] = {}

    def schema(self, schema_id: int) -> JsonSchema:
        """Return the schema of an id.

        Raises:
            SchemaRegistryUnavailableError: If the registry does not answer.
            CodecError: If there is none that can be used; the fault of the records alone.
        """
        found = self._schemas.get(schema_id)
        if found is None:
            found = self._schemas[schema_id] = self._made(self._registry.schema(schema_id))
        if isinstance(found, str):
            raise DecodeError(found)
        return found

    def writing(self, given: JsonSchema | None, text: str | None) -> tuple[JsonSchema, bytes]:
        """Return the schema to write by and what to put before each document.

        Args:
            given: The schema the codec was made with.
            text: Its text.

        Raises:
            SchemaRegistryError: If the registry refuses the schema, or has none.
        """
        settings = self._settings
        subject = settings.subject or subject_name(
            settings.subject_name_strategy,
            topic=settings.topic,
            record=None if given is None else given.title,
            for_key=settings.for_key,
        )
        if given is None or text is None or settings.use_latest_version:
            latest = self._registry.latest(subject)
            try:
                return self.schema(latest.id), frame(latest.id)
            except DecodeError as error:
                raise SchemaRegistryError(f"subject {subject!r}: {error}") from error
        store = self._registry.register if settings.auto_register else self._registry.lookup
        return given, frame(store(subject, "JSON", text))

    def _made(self, schema: RegisteredSchema) -> JsonSchema | str:
        """Return the schema, or why it cannot be used, which will not change."""
        if schema.kind != "JSON":
            return f"the registry has schema {schema.id} as {schema.kind}, not as JSON"
        others = self._registry.resolve_references(schema) if schema.references else {}
        try:
            return JsonSchema(
                read_schema(schema.text),
                {name: read_schema(text) for name, text in others.items()},
            )
        except SchemaRegistryError:
            raise
        except CodecError as error:
            return f"schema {schema.id}: {error}"
