"""Rows as MessagePack maps.

==================  ==================================================================
the column's type   is written as
==================  ==================================================================
binary              bin
timestamp           with a time zone the timestamp extension, with all its digits;
                    without one ISO 8601 text
date, time          ISO 8601 text
duration            an integer that counts its unit
decimal             text with all its digits
float               a 64 bit float
map                 a map, with its keys as they are
dictionary          its values
==================  ==================================================================

A row with a date beyond the years 0000 to 9999, or a time beyond its day, is refused where
it would be ISO 8601 text: there is none. The timestamp extension holds any.

Decoding under a pinned schema of the same types reads all of these back as they were,
except for times and durations, which cannot be pinned.
"""

from __future__ import annotations

import msgspec
import pyarrow as pa

from sabot.codecs.documents.cells import Cells
from sabot.codecs.documents.writer import DocumentWriter
from sabot.codecs.msgpack.instants import extensions

__all__ = ["EMPTY_MAP", "MAPS", "write"]

EMPTY_MAP = b"\x80"

write = msgspec.msgpack.Encoder().encode
"""Write one Python object as MessagePack bytes."""


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


MAPS = DocumentWriter(
    "MessagePack",
    cells=Cells([(_is_instant, extensions)]),
    write=write,
    write_all=lambda rows: list(map(write, rows)),
)
"""What writes rows as MessagePack maps."""
