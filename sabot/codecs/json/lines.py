"""Rows as JSON: whole batches at once, and the rows that cannot be written told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded, Failure
from sabot.codecs.json.cells import Unwritable, cells
from sabot.codecs.json.names import stand_in
from sabot.codecs.json.struct import attribute
from sabot.errors import EncodeError

__all__ = ["encode_columns", "encode_objects", "write"]

_encoder = msgspec.json.Encoder(decimal_format="number")
write = _encoder.encode
"""Write one Python object as JSON bytes."""

_UNWRITTEN = (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError)


def encode_columns(columns: pa.RecordBatch) -> Encoded:
    """Write each row of a batch as one object, with the columns in their order.

    Raises:
        EncodeError: If two columns have one name, so that every row would lose one.
    """
    names = tuple(columns.schema.names)
    if not names:
        return Encoded([b"{}"] * columns.num_rows)
    rows = list(map(_row_type(names), *(cells(column) for column in columns.columns)))
    try:
        # No line break can stand inside a line: JSON text escapes it.
        lines = _encoder.encode_lines(rows).split(b"\n")
    except _UNWRITTEN:
        return encode_objects(rows)
    lines.pop()
    return Encoded(lines)


def encode_objects(rows: Sequence[Any]) -> Encoded:
    """Write each object by itself; ``None`` is a tombstone."""
    values: list[bytes | None] = []
    failures: list[Failure] = []
    for index, row in enumerate(rows):
        try:
            values.append(None if row is None else write(row))
        except _UNWRITTEN as error:
            failures.append(Failure(index, EncodeError(_reason(row, error))))
    return Encoded(values, failures)


@lru_cache(maxsize=256)
def _row_type(names: tuple[str, ...]) -> Any:
    """Return what makes an object of these members of one value for each."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise EncodeError(f"columns {repeated!r} occur more than once; rename one of each")
    if any(stand_in(name) != name for name in names):
        return lambda *row: dict(zip(names, row, strict=True))
    return msgspec.defstruct(
        "Row",
        [(attribute(number), Any) for number in range(len(names))],
        rename={attribute(number): name for number, name in enumerate(names)},
        gc=False,
    )


def _reason(row: Any, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the row is nested too deeply, or contains itself"
    fault = _find_unwritable(row)
    if fault is not None:
        return f"a value cannot be written as JSON: {fault.error}"
    text = str(error)
    return f"the row cannot be written as JSON: {text[:1].lower()}{text[1:]}"


def _find_unwritable(value: Any) -> Unwritable | None:
    if isinstance(value, Unwritable):
        return value
    if isinstance(value, msgspec.Struct):
        parts: Iterable[Any] = msgspec.structs.astuple(value)
    elif isinstance(value, dict):
        parts = value.values()
    else:
        parts = value if isinstance(value, list) else ()
    return next(filter(None, map(_find_unwritable, parts)), None)
