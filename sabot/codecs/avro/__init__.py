"""The Avro codec."""

from __future__ import annotations

from sabot.codecs.avro.codec import AvroCodec

__all__ = ["AvroCodec"]
