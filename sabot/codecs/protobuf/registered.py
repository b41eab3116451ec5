"""Messages whose schemas are in a registry."""

from __future__ import annotations

import base64
from typing import Any

from sabot.codecs.protobuf.indexes import find_message, index_path, read_indexes, write_indexes
from sabot.codecs.protobuf.message_type import MessageType
from sabot.codecs.protobuf.packages import package
from sabot.codecs.protobuf.shapes import TimeUnit
from sabot.codecs.protobuf.sources import file_of_text
from sabot.codecs.schema_registry import (
    RegisteredSchema,
    RegistrySettings,
    SchemaRegistry,
    frame,
    split,
    subject_name,
)
from sabot.errors import CodecError, DecodeError, SchemaRegistryError

__all__ = ["RegisteredMessages"]

_PREFIXES = 10_000


class RegisteredMessages:
    """Messages by what stands before each record, and what to put there.

    Args:
        settings: Where the registry is.
        unit: The unit of times.
        message: The name of the message that is meant, where a schema has several.
    """

    def __init__(self, settings: RegistrySettings, unit: TimeUnit, message: str | None) -> None:
        self._settings = settings
        self._registry = SchemaRegistry(settings)
        self._unit: TimeUnit = unit
        self._message = message
        self._files: dict[int, Any] = {}
        self._types: dict[tuple[int, tuple[int, ...]], MessageType | str] = {}
        self._heads: dict[bytes, MessageType] = {}

    def type_of(self, head: bytes) -> MessageType:
        """Return the message that ``head`` names.

        Raises:
            SchemaRegistryUnavailableError: If the registry does not answer.
            CodecError: If there is no such message; the fault of the records alone.
        """
        known = self._heads.get(head)
        if known is None:
            schema_id, start = split(head)
            path, _ = read_indexes(head, start)
            known = self._type(schema_id, path)
            if len(self._heads) >= _PREFIXES:
                self._heads.clear()
            self._heads[head] = known
        return known

    def writing(self, given: MessageType | None, text: str | None) -> tuple[MessageType, bytes]:
        """Return the message to write and what to put before each.

        Args:
            given: The message the codec was made with.
            text: Its ``.proto`` text, where it was given so.

        Raises:
            SchemaRegistryError: If the registry refuses the schema, or has none.
        """
        settings = self._settings
        record = self._message if given is None else given.name
        subject = settings.subject or subject_name(
            settings.subject_name_strategy,
            topic=settings.topic,
            record=record,
            for_key=settings.for_key,
        )
        if given is None or settings.use_latest_version:
            return self._latest(subject, record)
        file = given.descriptor.file
        references = self._references(file)
        source = _base64(file) if text is None else text
        store = self._registry.register if settings.auto_register else self._registry.lookup
        schema_id = store(subject, "PROTOBUF", source, references)
        return given, frame(schema_id) + write_indexes(index_path(given.descriptor))

    def _latest(self, subject: str, name: str | None) -> tuple[MessageType, bytes]:
        schema = self._registry.latest(subject)
        file = self._file(schema)
        messages = file.message_types_by_name
        found = _named(messages.values(), name) if name else next(iter(messages.values()), None)
        if found is None:
            raise SchemaRegistryError(
                f"the latest schema of subject {subject!r} has no message "
                f"{name or 'at all'!r}, only {list(messages)!r}"
            )
        path = index_path(found)
        kind = self._type(schema.id, tuple(path))
        return kind, frame(schema.id) + write_indexes(path)

    def _type(self, schema_id: int, path: tuple[int, ...]) -> MessageType:
        found = self._types.get((schema_id, path))
        if found is None:
            # What is down, or unknown as yet, is asked for again; what is wrong stays so.
            schema = self._registry.schema(schema_id)
            try:
                found = MessageType(find_message(self._file(schema), path), self._unit)
            except SchemaRegistryError:
                raise
            except CodecError as error:
                found = f"schema {schema_id}: {error}"
            self._types[schema_id, path] = found
        if isinstance(found, str):
            raise DecodeError(found)
        return found

    def _file(self, schema: RegisteredSchema) -> Any:
        file = self._files.get(schema.id)
        if file is None:
            if schema.kind != "PROTOBUF":
                raise DecodeError(f"the registry has it as {schema.kind}, not as PROTOBUF")
            imports = self._registry.resolve_references(schema) if schema.references else {}
            file = self._files[schema.id] = file_of_text(schema.text, imports)
        return file

    def _references(self, file: Any) -> list[tuple[str, str, int]]:
        """Return the imports of a file, each under a subject of its own name."""
        found = []
        for each in file.dependencies:
            if each.name.startswith("google/"):
                continue
            inner = self._references(each)
            version = self._registry.version(
                each.name,
                "PROTOBUF",
                _base64(each),
                inner,
                register=self._settings.auto_register,
            )
            found.append((each.name, each.name, version))
        return found


def _named(messages: Any, name: str) -> Any:
    for message in messages:
        if name in (message.full_name, message.name):
            return message
        inner = _named(message.nested_types, name)
        if inner is not None:
            return inner
    return None


def _base64(file: Any) -> str:
    proto = package("google.protobuf.descriptor_pb2").FileDescriptorProto()
    file.CopyToProto(proto)
    return base64.standard_b64encode(proto.SerializeToString()).decode()
