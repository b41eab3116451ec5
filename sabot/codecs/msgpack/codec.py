"""MessagePack: one map per record, its members as columns.

What becomes of a record (each line is a test):

==================================  ==================================================
the record                          becomes
==================================  ==================================================
a map with text keys                a row; its members are columns
a tombstone (no value)              a row of nulls
a missing member, or nil            null; a column seen once is in every later batch
str                                 text, also where it looks like a date
bin                                 binary
an integer up to 64 bits, signed    int64
an integer beyond signed 64 bits    refused, unless the schema or a double holds it
float 32, float 64                  double; NaN and the infinities stay
a nested map, an array              a struct column, a list column
a timestamp (extension -1)          ``timestamp("us", "UTC")``; finer digits are refused
                                    unless the schema pins ``timestamp("ns", "UTC")``
any other extension                 refused; `MsgpackCodec.decode_rows` takes it
a key that is no text               refused; `MsgpackCodec.decode_rows` takes it
duplicate keys                      the last one wins
no bytes at all, two values         refused
invalid UTF-8 in text that is read  refused
a declared length beyond the value  refused, without taking memory for it
an array, text or number alone      refused as columns; `MsgpackCodec.decode_rows` takes it
nesting deeper than 64 levels       refused (where types are inferred)
more than ``max_columns`` fields    refused
a type the column cannot widen to   refused: that record alone, not its batch
==================================  ==================================================

*Refused* is a `Failure`. Types are inferred, widened and pinned as those of JSON are
(`sabot.codecs.documents`); text is never binary, nor bytes text. How columns are written
is told in `sabot.codecs.msgpack.maps`.
"""

from __future__ import annotations

from sabot.codecs.documents.format_codec import FormatCodec
from sabot.codecs.msgpack.format import MSGPACK
from sabot.codecs.msgpack.maps import MAPS
from sabot.codecs.msgpack.splice import extend_maps

__all__ = ["MsgpackCodec"]


class MsgpackCodec(FormatCodec):
    r"""Decodes MessagePack maps into typed columns, and writes columns as maps.

    Without a schema the types are inferred from the records, in the order they come, and
    kept as long as the codec lives, in a worker by its group: they only widen, and the
    columns of one batch all have the schema as it is at that batch's end.

    Args:
        schema: Pins the columns and their types: a `pyarrow.Schema`, or a JSON Schema as
            a dict. Members outside it are ignored; a value that does not fit is refused.
        max_columns: How many fields, nested ones included, inference may find before a
            record that brings another one is refused. Guards against keys that are data.

    As a row, a timestamp is a datetime, rounded to microseconds; another extension is a
    `msgspec.msgpack.Ext`. As rows it writes what MessagePack knows, and dataclasses,
    msgspec Structs, dates and times (ISO 8601 text; an aware datetime is a timestamp),
    decimals, enums and UUIDs.

    Raises:
        ConfigurationError: If the schema has a type that MessagePack is not read into.

    Example:
        >>> decoded = MsgpackCodec().decode([b"\x81\xa2id\x01", b"\x81\xa2id\xc4\x01x"])
        >>> decoded.columns.to_pylist()
        [{'id': 1}]
        >>> [str(failure.error) for failure in decoded.failures]
        ["field 'id' is bytes, but has been an integer so far"]
    """

    name = "msgpack"
    form = MSGPACK
    writer = MAPS
    splice = staticmethod(extend_maps)
