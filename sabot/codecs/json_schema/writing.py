"""Rows as documents that a schema allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded, Failure
from sabot.codecs.documents.rows import UNWRITTEN, row_type
from sabot.codecs.json.cells import cells
from sabot.codecs.json.lines import LINES, write
from sabot.codecs.json_schema.schema import InvalidDocumentError, JsonSchema
from sabot.errors import EncodeError

__all__ = ["write_rows"]


def write_rows(columns: pa.RecordBatch, schema: JsonSchema) -> Encoded:
    """Write each row as one object, and check it.

    Raises:
        EncodeError: If two columns have one name, so that every row would lose one.
    """
    values: list[bytes | None] = []
    failures: list[Failure] = []
    for number, row in enumerate(_rows(columns, schema)):
        try:
            values.append(_written(row, schema))
        except UNWRITTEN:
            fault = LINES.objects([row]).failures
            reason = fault[0].error if fault else EncodeError("the row cannot be written as JSON")
            failures.append(Failure(number, reason))
        except EncodeError as error:
            failures.append(Failure(number, error))
    return Encoded(values, failures)


def _rows(columns: pa.RecordBatch, schema: JsonSchema) -> Sequence[Any]:
    names = tuple(columns.schema.names)
    if not names:
        return [{}] * columns.num_rows
    made = list(
        map(row_type(names), *(_cells(columns, number, schema) for number in range(len(names))))
    )
    if isinstance(made[0] if made else None, dict):
        return [
            {name: value for name, value in row.items() if value is not msgspec.UNSET}
            for row in made
        ]
    return made


def _cells(columns: pa.RecordBatch, number: int, schema: JsonSchema) -> list[Any]:
    column = columns.column(number)
    found = cells(column)
    if column.null_count and columns.schema.names[number] in schema.without_null:
        return [msgspec.UNSET if value is None else value for value in found]
    return found


def _written(row: Any, schema: JsonSchema) -> bytes:
    value = write(row)
    try:
        schema.check(value)
    except InvalidDocumentError as error:
        first = error
    else:
        return value
    # A null deep inside may be what is wrong, and stand for something that was missing.
    without = schema.without_misplaced_nulls(msgspec.json.decode(value))
    shortened = write(without)
    try:
        schema.check(shortened)
    except InvalidDocumentError:
        raise EncodeError(str(first)) from None
    return shortened
