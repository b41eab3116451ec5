"""One JSON document at a time, for the records that the fast path does not take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sabot.codecs.json.names import stand_in
from sabot.errors import DecodeError

__all__ = ["NOT_JSON", "all_text", "canonical", "parse", "reason"]

NOT_JSON = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises for bytes that are not the JSON that was asked for."""

_parse = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


def parse(value: bytes) -> Any:
    """Parse one document exactly: integers of any size, the last of duplicate keys wins.

    Raises:
        DecodeError: If it is no JSON by the letter of RFC 8259: NaN and Infinity,
            a byte order mark, invalid UTF-8, lone surrogates, a second document.
    """
    try:
        return _parse(value)
    except NOT_JSON as error:
        raise DecodeError(reason(error)) from None


def reason(error: Exception) -> str:
    """Say what is wrong with a document, by the exception its decoding raised."""
    if isinstance(error, RecursionError):
        return "the value is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        return text[:1].lower() + text[1:]
    if isinstance(error, UnicodeDecodeError):
        return f"the value is not valid UTF-8: {error.reason} at byte {error.start} of a string"
    text = str(error).removeprefix("JSON is malformed: ")
    return f"the value is not valid JSON: {text[:1].lower()}{text[1:]}"


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
