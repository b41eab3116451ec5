"""Codecs: bytes to columns or rows, and back."""

from __future__ import annotations

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.json import JsonCodec
from sabot.codecs.registry import codec_names, create_codec, register_codec

__all__ = [
    "Codec",
    "Decoded",
    "DecodedRows",
    "Encoded",
    "Failure",
    "JsonCodec",
    "codec_names",
    "create_codec",
    "register_codec",
]
