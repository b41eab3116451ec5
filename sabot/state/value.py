"""A state as bytes: JSON that gives back, type for type, what it was given.

What JSON has no form for is written as an object with one member whose name begins with
``$``:

==================  ==========================================================
``str int bool``    as in JSON; an ``int`` of any size
``float``           as in JSON; else ``{"$float": "nan"}``, ``"inf"``, ``"-inf"``
``None``            ``null``
``list``            an array
``dict``            an object; its keys must be ``str``
``tuple``           ``{"$tuple": [...]}``
``bytes``           ``{"$bytes": "base64"}``
``Decimal``         ``{"$decimal": "1.10"}``
``datetime``        ``{"$datetime": "2024-01-01T12:00:00+00:00"}``
``date``            ``{"$date": "2024-01-01"}``
==================  ==========================================================

A ``dict`` with one key, and that with a ``$`` in front, is written as ``{"$dict": {...}}``.
Anything else is refused: sets, dataclasses, subclasses such as enums and named tuples.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from sabot.errors import StateError

__all__ = ["value_bytes", "value_of"]

_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder().decode

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_TAGGED: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode()),
    Decimal: ("$decimal", str),
    dt.datetime: ("$datetime", dt.datetime.isoformat),
    dt.date: ("$date", dt.date.isoformat),
}
_UNTAGGED: dict[str, Callable[[Any], Any]] = {
    "$bytes": base64.b64decode,
    "$decimal": Decimal,
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
    "$float": float,
}
_ALLOWED = (
    "str, int, float, bool, None, bytes, Decimal, datetime, date, and lists, tuples and "
    "dicts (with str keys) of them"
)


def value_bytes(value: Any) -> bytes:
    r"""Return a state's bytes.

    Raises:
        TypeError: If it holds something that has no form.

    Example:
        >>> value_of(value_bytes({"at": (1, b"\x00"), "n": float("inf")}))
        {'at': (1, b'\x00'), 'n': inf}
    """
    try:
        return _write(_plain(value))
    except UnicodeEncodeError as error:
        raise TypeError(f"state cannot hold a string with half a character: {error}") from error
    except RecursionError as error:
        raise TypeError("state cannot hold a value that is nested so deep") from error


def value_of(data: bytes) -> Any:
    """Return the state that these bytes are, made anew each time.

    Raises:
        StateError: If they are none.
    """
    try:
        value = _read(data)
        # Every tag has this in it; a string that has it too costs one look at the value.
        return _restored(value) if b'"$' in data else value
    except (msgspec.MsgspecError, ValueError, ArithmeticError, TypeError) as error:
        shown = data if len(data) <= 80 else data[:80] + b"..."
        raise StateError(
            f"state holds bytes that Sabot has not written: {shown!r} ({error})"
        ) from error


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what it can hold already comes back as it is."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return value if isfinite(value) else {"$float": repr(value)}
    if kind is dict:
        return _plain_dict(value)
    if kind is list:
        return [_plain(each) for each in value]
    if kind is tuple:
        return {"$tuple": [_plain(each) for each in value]}
    if kind in _TAGGED:
        tag, text = _TAGGED[kind]
        return {tag: text(value)}
    raise TypeError(
        f"a state holds {value!r}, a {kind.__module__}.{kind.__qualname__}; allowed: {_ALLOWED}"
    )


def _plain_dict(value: dict[Any, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, each in value.items():
        if type(name) is not str:
            raise TypeError(
                f"a state holds a dict with the key {name!r}, of {type(name).__name__}; keys of "
                "dicts must be str, since JSON has no others"
            )
        plain[name] = _plain(each)
    if len(plain) == 1 and next(iter(plain)).startswith("$"):
        return {"$dict": plain}
    return plain


def _restored(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_restored(each) for each in value]
    if kind is not dict:
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name in _UNTAGGED:
            return _UNTAGGED[name](inner)
        if name == "$tuple":
            return tuple(_restored(each) for each in inner)
        if name == "$dict":
            return {key: _restored(each) for key, each in inner.items()}
        if name.startswith("$"):
            raise ValueError(f"there is no tag {name!r}")
    return {key: _restored(each) for key, each in value.items()}
