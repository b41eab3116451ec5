"""The MessagePack codec."""

from __future__ import annotations

from sabot.codecs.msgpack.codec import MsgpackCodec

__all__ = ["MsgpackCodec"]
