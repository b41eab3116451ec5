"""MessagePack as a document format."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from sabot.codecs.documents.columns import ArrayBuilder, leaf_builder
from sabot.codecs.documents.format import Format
from sabot.codecs.documents.struct import scalar_annotation
from sabot.codecs.msgpack.canonical import canonical
from sabot.codecs.msgpack.instants import timestamp_array

__all__ = ["MSGPACK"]


@cache
def _annotation(kind: pa.DataType, closed: bool) -> Any:
    if pa.types.is_timestamp(kind):
        instant = msgspec.msgpack.Ext
        return instant | None if closed else instant | str | int | None
    if pa.types.is_floating(kind):
        # Any width on the wire, NaN and the infinities too; `_narrow_array` judges.
        return float | None
    return scalar_annotation(kind, closed)


def _leaf(kind: pa.DataType) -> ArrayBuilder:
    if pa.types.is_timestamp(kind):
        return partial(timestamp_array, kind)
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return partial(_narrow_array, kind)
    return leaf_builder(kind)


def _narrow_array(kind: pa.DataType, values: list[Any]) -> Any:
    wide = pa.array(values, pa.float64())
    narrow = wide.cast(kind)
    if not pc.is_inf(narrow.cast(pa.float64())).equals(pc.is_inf(wide)):
        raise pa.ArrowInvalid("a number beyond its range")
    return narrow


MSGPACK = Format(
    title="MessagePack",
    is_text=False,
    decoder=lambda kind: msgspec.msgpack.Decoder(kind).decode,
    parse=msgspec.msgpack.Decoder().decode,
    canonical=canonical,
    annotation=_annotation,
    leaf=_leaf,
)
"""One value for each record; the last of duplicate keys wins."""
