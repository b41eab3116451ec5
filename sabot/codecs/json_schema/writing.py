"""Rows as documents that a schema allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded, Failure
from sabot.codecs.documents.gaps import cells_as_found
from sabot.codecs.documents.rows import UNWRITTEN, row_type
from sabot.codecs.json.cells import cells
from sabot.codecs.json.lines import LINES, write
from sabot.codecs.json_schema.schema import InvalidDocumentError, JsonSchema
from sabot.errors import EncodeError
from sabot.types import Stem

__all__ = ["write_found", "write_rows"]


def write_rows(columns: pa.RecordBatch, schema: JsonSchema) -> Encoded:
    """Write each row as one object, and check it.

    Raises:
        EncodeError: If two columns have one name, so that every row would lose one.
    """
    return _write(columns, [cells(column) for column in columns.columns], schema)


def write_found(
    columns: pa.RecordBatch,
    schema: JsonSchema,
    documents: Sequence[Any],
    stems: Mapping[str, Stem],
) -> Encoded:
    """Write each row without what the document it was read from lacks, if that is valid.

    Raises:
        EncodeError: As `write_rows`.
    """
    encoded = _write(columns, cells_as_found(columns, cells, documents, stems), schema)
    if not encoded.failures:
        return encoded
    # The schema may ask for a field that may be null, and the document did not have it.
    refused = [failure.index for failure in encoded.failures]
    again = write_rows(columns.take(pa.array(refused, pa.int32())), schema)
    failures = [Failure(refused[each.index], each.error) for each in again.failures]
    still = {failure.index for failure in failures}
    first, second, bad = iter(encoded.values), iter(again.values), set(refused)
    values = [
        next(second if number in bad else first)
        for number in range(columns.num_rows)
        if number not in still
    ]
    return Encoded(values, failures)


def _write(columns: pa.RecordBatch, found: Sequence[list[Any]], schema: JsonSchema) -> Encoded:
    values: list[bytes | None] = []
    failures: list[Failure] = []
    for number, row in enumerate(_rows(columns, found, schema)):
        try:
            values.append(_written(row, schema))
        except UNWRITTEN:
            fault = LINES.objects([row]).failures
            reason = fault[0].error if fault else EncodeError("the row cannot be written as JSON")
            failures.append(Failure(number, reason))
        except EncodeError as error:
            failures.append(Failure(number, error))
    return Encoded(values, failures)


def _rows(columns: pa.RecordBatch, found: Sequence[list[Any]], schema: JsonSchema) -> Sequence[Any]:
    names = tuple(columns.schema.names)
    if not names:
        return [{}] * columns.num_rows
    return list(
        map(
            row_type(names),
            *(
                [msgspec.UNSET if value is None else value for value in values]
                if name in schema.without_null
                else values
                for name, values in zip(names, found, strict=True)
            ),
        )
    )


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
