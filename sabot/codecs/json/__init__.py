"""The JSON codec."""

from __future__ import annotations

from sabot.codecs.json.codec import JsonCodec

__all__ = ["JsonCodec"]
