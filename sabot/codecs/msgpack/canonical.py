"""One MessagePack map rewritten, for the records that the fast path does not take."""

from __future__ import annotations

import msgspec

from sabot.codecs.documents.names import stand_in

__all__ = ["canonical"]

_members = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_write = msgspec.msgpack.Encoder().encode

_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})
_ARRAYS = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})


def canonical(value: bytes | msgspec.Raw, *, stand_ins: bool) -> bytes:
    """Rewrite a document so that each key occurs once, and can be looked for.

    Args:
        value: The document.
        stand_ins: Whether keys that a struct cannot look for get their `stand_in`.
    """
    octets = bytes(value)
    first = octets[0] if octets else None
    if first in _MAPS:
        return _write(
            {
                stand_in(name) if stand_ins else name: msgspec.Raw(
                    canonical(member, stand_ins=stand_ins)
                )
                for name, member in _members(octets).items()
            }
        )
    if first in _ARRAYS:
        items = [msgspec.Raw(canonical(item, stand_ins=stand_ins)) for item in _items(octets)]
        return _write(items)
    return octets
