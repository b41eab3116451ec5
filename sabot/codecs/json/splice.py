"""Members added to JSON objects that are bytes already.

The bytes that are there stay as they are; parsing the outcome gives the original object
with the added members.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from sabot.codecs.codec import Encoded
from sabot.codecs.documents.cells import is_constant
from sabot.codecs.json.lines import LINES, write

__all__ = ["extend_documents"]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_CLOSE = ord("}")
_SPACE = b" \t\r\n"
_BEFORE_LAST = b"{" + _SPACE


def extend_documents(
    values: Sequence[bytes | None], added: pa.RecordBatch, *, replace: bool
) -> Encoded | None:
    """Append the members of ``added``, one row for each value.

    Args:
        values: JSON objects; a tombstone becomes an object of the added members.
        added: The new members. None of them may be a member already, or, with
            ``replace``, those that are make place.
        replace: Whether to look for members of the same name.

    Returns:
        ``None`` where a value is no object.
    """
    if added.num_columns == 0:
        return Encoded(list(values))
    if replace:
        values = _without(values, added.schema.names)
    first = added.slice(0, 1)
    constant = all(map(is_constant, added.columns))
    encoded = LINES.columns(first if constant else added)
    members = [value[1:] for value in encoded.values if value is not None]
    refused = {failure.index for failure in encoded.failures}
    if constant and not refused:
        return _append_same(values, members[0]) if members else Encoded([])
    if constant:
        encoded = LINES.columns(added)
        refused = {failure.index for failure in encoded.failures}
    kept = [value for index, value in enumerate(values) if index not in refused]
    documents = _append_each(kept, members)
    return None if documents is None else Encoded(documents, encoded.failures)


def _append_same(values: Sequence[Any], members: bytes) -> Encoded | None:
    suffix = b"," + members
    try:
        return Encoded(
            [
                value[:-1] + suffix
                if value[-1] == _CLOSE and value[-2] not in _BEFORE_LAST
                else _append(value, members)
                for value in values
            ]
        )
    except (TypeError, IndexError):
        # A tombstone has no last byte.
        documents = _append_each(values, [members] * len(values))
    except ValueError:
        return None
    return None if documents is None else Encoded(documents)


def _append_each(
    values: Sequence[bytes | None], members: Iterable[bytes]
) -> list[bytes | None] | None:
    try:
        return [_append(value, more) for value, more in zip(values, members, strict=True)]
    except ValueError:
        return None


def _append(value: bytes | None, members: bytes) -> bytes:
    """Append members, which end with the closing brace, to one object."""
    if value is None:
        return b"{" + members
    body = value.rstrip(_SPACE)
    if not body.endswith(b"}"):
        raise ValueError(value)
    body = body[:-1].rstrip(_SPACE)
    # Only an object without members has its opening brace right before the closing one.
    return body + members if body.endswith(b"{") else body + b"," + members


def _without(values: Sequence[bytes | None], names: Sequence[str]) -> list[bytes | None]:
    """Remove members by name; bytes stay as they are where there is none."""
    kept = list(values)
    # A name can stand there as it is, or hide behind an escape.
    for token in (b"\\", *(name.encode() for name in names)):
        for index in [i for i, value in enumerate(kept) if value and token in value]:
            kept[index] = _without_one(kept[index], names)
    return kept


def _without_one(value: bytes | None, names: Sequence[str]) -> bytes | None:
    members = _members(value or b"{}")
    if not any(name in members for name in names):
        return value
    return write({name: raw for name, raw in members.items() if name not in names})
