"""Records to columns, with types that are pinned, or inferred and widened on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Decoded, DecodedRows, Failure
from sabot.codecs.documents.columns import BLANK
from sabot.codecs.documents.format import NOT_A_DOCUMENT, Format
from sabot.codecs.documents.inference import count_fields, widen
from sabot.codecs.documents.layout import MISFIT, Layout
from sabot.codecs.documents.schema_option import pinned_schema
from sabot.codecs.memory import SchemaMemory
from sabot.errors import ConfigurationError, DecodeError

__all__ = ["DocumentDecoder"]

_KINDS = {
    list: "a list",
    str: "a string",
    bytes: "bytes",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    datetime: "a timestamp",
    type(None): "null",
    msgspec.msgpack.Ext: "an extension",
}


class DocumentDecoder:
    """Decodes documents of one format; keeps what it learns of their types.

    Without a schema the types are inferred from the records, in the order they come: they
    only widen, and the columns of one batch all have the schema as it is at its end. With
    a memory, a wider schema is remembered before anything is decoded by it.

    Args:
        form: The format.
        schema: Pins the columns; see `sabot.codecs.documents.schema_option`.
        max_columns: How many fields, nested ones included, inference may find.
        known: Columns that inference begins with, where nothing is pinned: nothing else
            than null, bool, int64, double, string, structs and lists.

    Raises:
        ConfigurationError: If the schema has a type that documents are not read into.
    """

    def __init__(
        self,
        form: Format,
        *,
        schema: pa.Schema | Mapping[str, Any] | None,
        max_columns: int,
        known: pa.Schema | None = None,
    ) -> None:
        if max_columns < 1:
            raise ConfigurationError(f"max_columns is {max_columns!r}; it must be at least 1")
        self.pinned = None if schema is None else pinned_schema(schema)
        self._form = form
        self._max_columns = max_columns
        self._memory: SchemaMemory | None = None
        self._recalled = True
        self._layout = Layout(
            (known or pa.schema([])) if self.pinned is None else self.pinned,
            form,
            closed=self.pinned is None,
        )

    @property
    def schema(self) -> pa.Schema:
        """The columns of the next batch, as far as they are known."""
        return self._layout.schema

    def remember(self, memory: SchemaMemory) -> None:
        """Infer from now on what the memory knows, and more; see `LearningCodec`."""
        if self.pinned is None:
            self._memory, self._recalled = memory, False

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Turn records into columns; a tombstone becomes a row of nulls."""
        if not self._recalled:
            self._recall()
        rows: list[Any] = []
        failures: list[Failure] = []
        stale, ahead, remaining = 0, 1, iter(values)
        text = not self._form.is_text or self.pinned is None or all_text(values)
        while True:
            layout = self._layout
            try:
                # At C speed up to the first record that is not as expected; `extend`
                # keeps what it has got when the iterator raises.
                rows.extend(map(layout.decoder(all_text=text), remaining))
                break
            except (*NOT_A_DOCUMENT, TypeError):
                unexpected = values[len(rows) + len(failures)]
            self._take(chain([unexpected], islice(remaining, ahead - 1)), rows, failures)
            if self._layout is not layout:
                # One new field is often followed by others, and a layout is dear to
                # make: look further ahead each time before making the next.
                stale, ahead = len(rows), ahead * 2
        self._redo(rows, stale, values, failures)
        return self._columns(rows, failures)

    def decode_rows(self, values: Sequence[bytes | None]) -> DecodedRows:
        """Turn records into Python's own types, without a schema."""
        rows: list[Any] = []
        failures: list[Failure] = []
        remaining = iter(values)
        while True:
            try:
                rows.extend(map(self._form.parse, remaining))
                return DecodedRows(rows, failures)
            except (*NOT_A_DOCUMENT, TypeError) as error:
                index = len(rows) + len(failures)
                if values[index] is None:
                    rows.append(None)
                else:
                    failures.append(Failure(index, DecodeError(self._form.reason(error))))

    def _recall(self) -> None:
        """Begin with what is remembered; what the memory does not know is forgotten."""
        assert self._memory is not None
        self._layout = Layout(self._memory.known() or pa.schema([]), self._form, closed=True)
        self._recalled = True

    def _take(
        self, values: Iterable[bytes | None], rows: list[Any], failures: list[Failure]
    ) -> None:
        """Take records one by one, and widen the schema by those that bring news.

        From the first such record on, rows are blank until `_redo`.
        """
        values, done = list(values), (len(rows), len(failures))
        known = self._layout.type
        while True:
            kind = self._judge(values, known, rows, failures)
            if kind is known or self._memory is None:
                break
            agreed = pa.struct(list(self._memory.widened(pa.schema(list(kind)))))
            if agreed == kind:
                break
            # Others have widened it as well: judge again by what holds for all.
            known = agreed
            del rows[done[0] :], failures[done[1] :]
        if kind is not self._layout.type:
            self._layout = Layout(pa.schema(list(kind)), self._form, closed=True)

    def _judge(
        self,
        values: Sequence[bytes | None],
        kind: pa.DataType,
        rows: list[Any],
        failures: list[Failure],
    ) -> pa.DataType:
        """Take records that are met with a type; return the type that holds the good ones."""
        for value in values:
            try:
                if value is not None and self.pinned is None:
                    kind = self._widened(kind, self._form.parse(value))
                known = kind is self._layout.type
                rows.append(self._layout.row(value) if known else BLANK)
            except DecodeError as refused:
                failures.append(Failure(len(rows) + len(failures), refused))
            except NOT_A_DOCUMENT as error:
                fault = DecodeError(self._form.reason(error))
                failures.append(Failure(len(rows) + len(failures), fault))
        return kind

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


def all_text(values: Sequence[bytes | None]) -> bool:
    """Say whether all values are UTF-8, at a fraction of the cost of a look at each."""
    joined = b"\n".join(filter(None, values))
    if joined.isascii():
        return True
    try:
        str(joined, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
