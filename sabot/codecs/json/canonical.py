"""One JSON document rewritten, for the records that the fast path does not take."""

from __future__ import annotations

import msgspec

from sabot.codecs.documents.names import stand_in

__all__ = ["canonical"]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


def canonical(value: bytes | msgspec.Raw, *, stand_ins: bool) -> bytes:
    """Rewrite a document so that each key occurs once, and can be looked for.

    Numbers and strings keep their bytes, so a decimal loses no digit.

    Args:
        value: The document.
        stand_ins: Whether keys that need an escape get their `stand_in`.
    """
    first = bytes(value).lstrip()[:1]
    if first == b"{":
        members = _members(value)
        return _write(
            {
                stand_in(name) if stand_ins else name: msgspec.Raw(
                    canonical(member, stand_ins=stand_ins)
                )
                for name, member in members.items()
            }
        )
    if first == b"[":
        return _write([msgspec.Raw(canonical(item, stand_ins=stand_ins)) for item in _items(value)])
    return bytes(value)
