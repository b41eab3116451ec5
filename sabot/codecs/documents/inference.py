"""The Arrow type of a document's values, and how it widens as more of them arrive.

A type only ever widens, so a column once seen is never lost and no earlier row becomes
wrong. What arrives decides, in the log's order; how the log was cut into batches does not.

=================  ===================================================================
so far             becomes
=================  ===================================================================
null               the type of the first value that is not null
integer (64 bit)   double, when a number with a fraction or an exponent arrives
object             the same with new fields appended; fields widen by these same rules
list               the same with items widened by these same rules
anything else      never another type: the record with the conflict is refused
=================  ===================================================================

Bytes are binary, and an instant is ``timestamp("us", "UTC")``, where the format has them.
An integer in a column that is (or becomes) double is the nearest double, so beyond
2**53 its last digits are lost there. An integer beyond 64 bits in any other column is
refused; pin the column to ``decimal128``, ``uint64``, ``double`` or ``string``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from sabot.errors import DecodeError

__all__ = ["MAX_DEPTH", "count_fields", "widen"]

MAX_DEPTH = 64
"""How many objects and lists may stand inside one another, where types are inferred."""

_NULL, _BOOL, _INT, _DOUBLE, _STRING, _BINARY, _INSTANT = (
    pa.null(),
    pa.bool_(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.binary(),
    pa.timestamp("us", "UTC"),
)
_TYPES = {
    bool: _BOOL,
    int: _INT,
    float: _DOUBLE,
    str: _STRING,
    bytes: _BINARY,
    datetime: _INSTANT,
}
_WORDS = {
    _NULL.id: "null",
    _BOOL.id: "a boolean",
    _INT.id: "an integer",
    _DOUBLE.id: "a number",
    _STRING.id: "a string",
    _BINARY.id: "bytes",
    _INSTANT.id: "a timestamp",
    pa.struct([]).id: "an object",
    pa.list_(_NULL).id: "a list",
}


def widen(known: pa.DataType, value: Any, path: str = "", depth: int = 0) -> pa.DataType:
    """Return the type that holds ``value`` and all that ``known`` holds.

    It is ``known`` itself where nothing had to change.

    Args:
        known: The type so far; ``pa.null()`` at first.
        value: What the format's parser made of the value.
        path: Where the value stands, such as ``customer.tags[]``; for messages.
        depth: How many objects and lists stand around it.

    Raises:
        DecodeError: If no type of the table above holds both.

    Example:
        >>> str(widen(pa.null(), {"id": 7, "tags": []}))
        'struct<id: int64, tags: list<item: null>>'
        >>> widen(pa.int64(), "7", "id")
        Traceback (most recent call last):
        ...
        sabot.errors.DecodeError: field 'id' is a string, but has been an integer so far
    """
    if value is None:
        return known
    if isinstance(value, dict):
        return _widen_object(known, value, path, depth + 1)
    if isinstance(value, list):
        return _widen_list(known, value, path, depth + 1)
    wanted = _TYPES.get(type(value))
    if wanted is None:
        raise DecodeError(
            f"field {path!r} is of type {type(value).__name__}, which no column holds"
        )
    if wanted is _INT:
        _check_integer(known, value, path)
    if known.id == wanted.id or (known.id == _DOUBLE.id and wanted is _INT):
        return known
    if known.id == _NULL.id or (known.id == _INT.id and wanted is _DOUBLE):
        return wanted
    raise _conflict(known, wanted, path)


def count_fields(kind: pa.DataType) -> int:
    """Count the fields of a struct and of all structs within."""
    total = kind.num_fields if pa.types.is_struct(kind) else 0
    children: Iterable[pa.Field] = (kind.field(number) for number in range(kind.num_fields))
    return total + sum(count_fields(child.type) for child in children)


def _widen_object(known: pa.DataType, value: dict[str, Any], path: str, depth: int) -> pa.DataType:
    fields: dict[str, pa.DataType] = {}
    changed = not pa.types.is_struct(known)
    if not changed:
        fields = {field.name: field.type for field in known}
    elif known.id != _NULL.id:
        raise _conflict(known, pa.struct([]), path)
    _check_depth(path, depth)
    for name, member in value.items():
        if not isinstance(name, str):
            raise DecodeError(
                f"{f'field {path!r}' if path else 'the value'} has the key {name!r}; only text "
                "can name a column"
            )
        before = fields.get(name)
        where = f"{path}.{name}" if path else name
        after = widen(_NULL if before is None else before, member, where, depth)
        if after is not before:
            fields[name] = after
            changed = True
    return pa.struct(list(fields.items())) if changed else known


def _widen_list(known: pa.DataType, value: list[Any], path: str, depth: int) -> pa.DataType:
    changed = not pa.types.is_list(known)
    if changed and known.id != _NULL.id:
        raise _conflict(known, pa.list_(_NULL), path)
    _check_depth(path, depth)
    item = before = _NULL if changed else known.value_type
    for member in value:
        item = widen(item, member, f"{path}[]", depth)
    return pa.list_(item) if changed or item is not before else known


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        root = path.split(".", 1)[0].split("[", 1)[0]
        raise DecodeError(f"field {root!r} is nested deeper than {MAX_DEPTH} levels")


def _check_integer(known: pa.DataType, value: int, path: str) -> None:
    if known.id == _DOUBLE.id:
        try:
            float(value)
        except OverflowError:
            raise DecodeError(f"field {path!r} is an integer beyond any double") from None
    elif not -(2**63) <= value < 2**63:
        raise DecodeError(
            f"field {path!r} is an integer beyond 64 bits; pin its type in "
            "codec_options={'schema': ...} to decimal128, uint64, double or string"
        )


def _conflict(known: pa.DataType, wanted: pa.DataType, path: str) -> DecodeError:
    return DecodeError(
        f"field {path!r} is {_WORDS[wanted.id]}, but has been {_WORDS[known.id]} so far"
    )
