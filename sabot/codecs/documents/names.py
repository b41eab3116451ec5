"""Keys that the fast decoder cannot look for, and the names that stand in for them.

The decoder compares keys with names that must not need an escape in JSON, whatever the
format: no quote, no backslash, no control character. A schema with such a key is read the
slow way: each document is rewritten with stand-ins first
(`sabot.codecs.documents.format.Canonical`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

__all__ = ["has_odd_names", "original", "stand_in"]

# A Unicode noncharacter, which no text is meant to contain. One that does is odd too, so
# that a stand-in never equals a genuine key.
_MARK = "\ufdd0"
_ODD = re.compile(f'["\\\\\x00-\x1f{_MARK}]')


def stand_in(name: str) -> str:
    r"""Return a name the decoder can look for; most names stand for themselves.

    Example:
        >>> stand_in("amount")
        'amount'
        >>> original(stand_in('say "hi"'))
        'say "hi"'
    """
    return _MARK + name.encode().hex() if _ODD.search(name) else name


def original(name: str) -> str:
    """Return the key that `stand_in` made ``name`` of."""
    return bytes.fromhex(name[1:]).decode() if name.startswith(_MARK) else name


def has_odd_names(fields: Iterable[pa.Field]) -> bool:
    """Say whether a field, or one nested in it, has a name that needs a stand-in."""
    return any(
        _ODD.search(field.name) is not None or has_odd_names(_children(field.type))
        for field in fields
    )


def _children(kind: pa.DataType) -> list[pa.Field]:
    if pa.types.is_map(kind):
        # Its two fields are named by Arrow; its keys are data.
        return [kind.item_field]
    return [kind.field(number) for number in range(kind.num_fields)]
