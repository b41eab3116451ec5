"""The JSON Schema codec."""

from __future__ import annotations

from sabot.codecs.json_schema.codec import JsonSchemaCodec

__all__ = ["JsonSchemaCodec"]
