"""Rows as documents: one Python object for each, and those that cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from sabot.codecs.codec import Encoded, Failure
from sabot.codecs.documents.names import stand_in
from sabot.codecs.documents.struct import attribute
from sabot.codecs.documents.unwritable import find_unwritable
from sabot.errors import EncodeError

__all__ = ["UNWRITTEN", "encode_objects", "row_type"]

UNWRITTEN = (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError)
"""What encoding raises for an object that the format cannot hold."""


def encode_objects(rows: Sequence[Any], write: Callable[[Any], bytes], title: str) -> Encoded:
    """Write each object by itself; ``None`` is a tombstone.

    Args:
        rows: The objects.
        write: Writes one.
        title: What people call the format.
    """
    values: list[bytes | None] = []
    failures: list[Failure] = []
    for index, row in enumerate(rows):
        try:
            values.append(None if row is None else write(row))
        except UNWRITTEN as error:
            failures.append(Failure(index, EncodeError(_reason(row, error, title))))
    return Encoded(values, failures)


@lru_cache(maxsize=256)
def row_type(names: tuple[str, ...]) -> Any:
    """Return what makes an object of these members of one value for each.

    A member whose value is `msgspec.UNSET` is not written.

    Raises:
        EncodeError: If two of the names are one, so that every row would lose one.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise EncodeError(f"columns {repeated!r} occur more than once; rename one of each")
    if any(stand_in(name) != name for name in names):
        return lambda *row: {
            name: value
            for name, value in zip(names, row, strict=True)
            if value is not msgspec.UNSET
        }
    return msgspec.defstruct(
        "Row",
        [(attribute(number), Any) for number in range(len(names))],
        rename={attribute(number): name for number, name in enumerate(names)},
        gc=False,
    )


def _reason(row: Any, error: Exception, title: str) -> str:
    if isinstance(error, RecursionError):
        return "the row is nested too deeply, or contains itself"
    found = find_unwritable(row)
    if found is not None:
        path, fault = found
        return f"field {path!r} cannot be written as {title}: {fault.error}"
    text = str(error)
    return f"the row cannot be written as {title}: {text[:1].lower()}{text[1:]}"
