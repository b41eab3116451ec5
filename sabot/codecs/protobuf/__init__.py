"""The protobuf codec."""

from __future__ import annotations

from sabot.codecs.protobuf.codec import ProtobufCodec

__all__ = ["ProtobufCodec"]
