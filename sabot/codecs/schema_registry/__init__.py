"""The schema registry: schemas by id, in the API and wire format that Confluent defined."""

from __future__ import annotations

from sabot.codecs.schema_registry.client import RegisteredSchema, SchemaKind, SchemaRegistry
from sabot.codecs.schema_registry.framing import frame, split
from sabot.codecs.schema_registry.options import (
    RegistryOptions,
    RegistrySettings,
    registry_settings,
)
from sabot.codecs.schema_registry.subjects import SubjectNameStrategy, subject_name

__all__ = [
    "RegisteredSchema",
    "RegistryOptions",
    "RegistrySettings",
    "SchemaKind",
    "SchemaRegistry",
    "SubjectNameStrategy",
    "frame",
    "registry_settings",
    "split",
    "subject_name",
]
