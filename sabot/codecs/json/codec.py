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
`sabot.codecs.json.inference`; how a schema pins them, in
`sabot.codecs.json.schema_option`; how columns are written, in `sabot.codecs.json.cells`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Codec, Decoded, DecodedRows, Encoded, Failure
from sabot.codecs.json.columns import BLANK
from sabot.codecs.json.documents import NOT_JSON, all_text, parse, reason
from sabot.codecs.json.inference import count_fields, widen
from sabot.codecs.json.layout import MISFIT, Layout
from sabot.codecs.json.lines import encode_columns, encode_objects
from sabot.codecs.json.schema_option import pinned_schema
from sabot.codecs.json.splice import extend_documents
from sabot.errors import ConfigurationError, DecodeError

__all__ = ["JsonCodec"]

_KINDS = {
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class JsonCodec:
    """Decodes JSON objects into typed columns, and writes columns as JSON objects.

    Without a schema the types are inferred from the records, in the order they come, and
    kept as long as the codec lives: they only widen, and the columns of one batch all
    have the schema as it is at that batch's end.

    Args:
        schema: Pins the columns and their types: a `pyarrow.Schema`, or a JSON Schema as
            a dict. Fields outside it are ignored; a value that does not fit is refused.
        max_columns: How many fields, nested ones included, inference may find before a
            record that brings another one is refused. Guards against keys that are data.

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

    def __init__(
        self,
        *,
        schema: pa.Schema | Mapping[str, Any] | None = None,
        max_columns: int = 1000,
    ) -> None:
        if max_columns < 1:
            raise ConfigurationError(f"max_columns is {max_columns!r}; it must be at least 1")
        self._pinned = None if schema is None else pinned_schema(schema)
        self._max_columns = max_columns
        self._layout = Layout(
            pa.schema([]) if self._pinned is None else self._pinned,
            closed=self._pinned is None,
        )
        self._parse: Callable[[Any], Any] = msgspec.json.Decoder().decode

    @property
    def schema(self) -> pa.Schema:
        """The columns of the next batch, as far as they are known."""
        return self._layout.schema

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone becomes a row of nulls."""
        rows: list[Any] = []
        failures: list[Failure] = []
        stale, ahead, remaining = 0, 1, iter(values)
        text = self._pinned is None or all_text(values)
        while True:
            layout = self._layout
            try:
                # At C speed up to the first record that is not as expected; `extend`
                # keeps what it has got when the iterator raises.
                rows.extend(map(layout.decoder(all_text=text), remaining))
                break
            except (*NOT_JSON, TypeError):
                unexpected = values[len(rows) + len(failures)]
            self._take(chain([unexpected], islice(remaining, ahead - 1)), rows, failures)
            if self._layout is not layout:
                # One new field is often followed by others, and a layout is dear to
                # make: look further ahead each time before making the next.
                stale, ahead = len(rows), ahead * 2
        self._redo(rows, stale, values, failures)
        return self._columns(rows, failures)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into what `json.loads` makes of them; a tombstone into ``None``.

        No schema is involved, and the top level may be of any type.
        """
        rows: list[Any] = []
        failures: list[Failure] = []
        remaining = iter(values)
        while True:
            try:
                rows.extend(map(self._parse, remaining))
                return DecodedRows(rows, failures)
            except (*NOT_JSON, TypeError) as error:
                index = len(rows) + len(failures)
                if values[index] is None:
                    rows.append(None)
                else:
                    failures.append(Failure(index, DecodeError(reason(error))))

    def encode(self, columns: pa.RecordBatch) -> Encoded:
        """Write each row as one object; null is written as ``null``."""
        return encode_columns(columns)

    def encode_rows(self, rows: Sequence[Any]) -> Encoded:
        """Write Python objects; ``None`` becomes a tombstone.

        Takes what JSON knows, and dataclasses, msgspec Structs, dates and times (ISO
        8601), decimals (numbers), enums, UUIDs and bytes (base64). NaN and the
        infinities become ``null``.
        """
        return encode_objects(rows)

    def extend(self, values: Sequence[bytes | None], added: pa.RecordBatch) -> Encoded | None:
        """Add members at the end of each object, leaving its other bytes untouched.

        A tombstone becomes an object of the added columns alone. Where the schema is
        pinned, a member of the same name that the schema ignores is replaced.
        """
        return extend_documents(values, added, replace=self._pinned is not None)

    def reads_as(self, other: Codec) -> bool:
        """Whether both read JSON by the same pinned schema, or both by none."""
        return isinstance(other, JsonCodec) and self._pinned == other._pinned

    def _take(
        self, values: Iterable[bytes | None], rows: list[Any], failures: list[Failure]
    ) -> None:
        """Take records one by one, and widen the schema by those that bring news.

        From the first such record on, rows are blank until `_redo`.
        """
        kind = self._layout.type
        for value in values:
            try:
                if value is not None and self._pinned is None:
                    kind = self._widened(kind, parse(value))
                known = kind is self._layout.type
                rows.append(self._layout.row(value) if known else BLANK)
            except DecodeError as refused:
                failures.append(Failure(len(rows) + len(failures), refused))
            except NOT_JSON as error:
                fault = DecodeError(reason(error))
                failures.append(Failure(len(rows) + len(failures), fault))
        if kind is not self._layout.type:
            self._layout = Layout(pa.schema(list(kind)), closed=True)

    def _widened(self, kind: pa.DataType, document: Any) -> pa.DataType:
        """Return the type that holds ``document`` and all that ``kind`` holds."""
        if not isinstance(document, dict):
            raise DecodeError(f"the value is {_KINDS[type(document)]}, not an object")
        grown = widen(kind, document)
        if grown is not kind and (total := count_fields(grown)) > self._max_columns:
            raise DecodeError(
                f"the value brings the number of fields to {total}, but max_columns is "
                f"{self._max_columns}"
            )
        return grown

    def _redo(
        self,
        rows: list[Any],
        stale: int,
        values: Sequence[bytes | None],
        failures: Sequence[Failure],
    ) -> None:
        """Decode once more the first rows, which came before the schema's last change."""
        if stale == 0:
            return
        refused = {failure.index for failure in failures}
        good = (value for index, value in enumerate(values) if index not in refused)
        rows[:stale] = map(self._layout.row, islice(good, stale))

    def _columns(self, rows: list[Any], failures: list[Failure]) -> Decoded:
        """Make the columns; rows that their types cannot hold become failures."""
        layout = self._layout
        try:
            return Decoded(layout.columns(rows), failures)
        except MISFIT:
            refused = {failure.index for failure in failures}
        total = len(rows) + len(failures)
        fitting = []
        for index, row in zip((i for i in range(total) if i not in refused), rows, strict=True):
            fault = layout.misfit(row)
            if fault is None:
                fitting.append(row)
            else:
                failures.append(Failure(index, DecodeError(fault)))
        failures.sort(key=attrgetter("index"))
        return Decoded(layout.columns(fitting), failures)
