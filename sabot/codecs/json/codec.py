"""JSON: one document per record, its fields as columns.

What becomes of a record (each line is a test):

==================================  ==================================================
the record                          becomes
==================================  ==================================================
an object                           a row; its fields are columns
an empty object                     a row of nulls
a tombstone (no value)              a row of nulls
a missing field, or null            null; a column seen once is in every later batch
text that looks like a date         text
a nested object, a list             a struct column, a list column
an integer beyond 64 bits           refused, unless the schema or a double holds it
a number no double can hold         refused, as are the tokens NaN and Infinity
duplicate keys                      the last one wins
line breaks between tokens          allowed
no bytes at all, two documents      refused
a byte order mark                   refused
invalid UTF-8, a lone surrogate     refused
a list, text, number or null alone  refused as columns; `JsonCodec.decode_rows` takes it
nesting deeper than 64 levels       refused (where types are inferred)
more than ``max_columns`` fields    refused
a type the column cannot widen to   refused: that record alone, not its batch
==================================  ==================================================

*Refused* is a `Failure`. How types are inferred and widen is told in
`sabot.codecs.documents.inference`; how a schema pins them, in
`sabot.codecs.documents.schema_option`; how columns are written, in `sabot.codecs.documents.cells`.
"""

from __future__ import annotations

from sabot.codecs.documents.format_codec import FormatCodec
from sabot.codecs.json.format import JSON
from sabot.codecs.json.lines import LINES
from sabot.codecs.json.splice import extend_documents

__all__ = ["JsonCodec"]


class JsonCodec(FormatCodec):
    """Decodes JSON objects into typed columns, and writes columns as JSON objects.

    Without a schema the types are inferred from the records, in the order they come, and
    kept as long as the codec lives, in a worker by its group: they only widen, and the
    columns of one batch all have the schema as it is at that batch's end.

    Args:
        schema: Pins the columns and their types: a `pyarrow.Schema`, or a JSON Schema as
            a dict. Fields outside it are ignored; a value that does not fit is refused.
        max_columns: How many fields, nested ones included, inference may find before a
            record that brings another one is refused. Guards against keys that are data.

    Rows are what `json.loads` makes of a record. As rows it writes what JSON knows, and
    dataclasses, msgspec Structs, dates and times (ISO 8601), decimals (numbers), enums,
    UUIDs and bytes (base64); NaN and the infinities become ``null``.

    Raises:
        ConfigurationError: If the schema has a type that JSON cannot be read into.

    Example:
        >>> decoded = JsonCodec().decode([b'{"id": 1}', b'{"id": "x"}', b'{"id": 2.5}'])
        >>> decoded.columns.to_pylist()
        [{'id': 1.0}, {'id': 2.5}]
        >>> [str(failure.error) for failure in decoded.failures]
        ["field 'id' is a string, but has been an integer so far"]
    """

    name = "json"
    form = JSON
    writer = LINES
    splice = staticmethod(extend_documents)
