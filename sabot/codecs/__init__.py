"""Codecs: bytes to columns or rows, and back."""

from __future__ import annotations

from sabot.codecs.avro import AvroCodec
from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.json import JsonCodec
from sabot.codecs.json_schema import JsonSchemaCodec
from sabot.codecs.msgpack import MsgpackCodec
from sabot.codecs.octets import BytesCodec
from sabot.codecs.protobuf import ProtobufCodec
from sabot.codecs.registry import codec_names, create_codec, register_codec
from sabot.codecs.text import StringCodec

__all__ = [
    "AvroCodec",
    "BytesCodec",
    "Codec",
    "Decoded",
    "DecodedRows",
    "Encoded",
    "Failure",
    "JsonCodec",
    "JsonSchemaCodec",
    "MsgpackCodec",
    "ProtobufCodec",
    "StringCodec",
    "codec_names",
    "create_codec",
    "register_codec",
]
