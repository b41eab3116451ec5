"""Values that a document cannot hold, found again in the rows they stand in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

__all__ = ["Unwritable", "find_unwritable"]


class Unwritable:
    """Stands for a value that nothing can be written of; writing it raises TypeError."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def find_unwritable(value: Any, path: str = "") -> tuple[str, Unwritable] | None:
    """Return the first such value within a row, and the path of fields that leads to it.

    Example:
        >>> path, found = find_unwritable({"a": [{"b": Unwritable(ValueError("too late"))}]})
        >>> path, str(found.error)
        ('a[].b', 'too late')
    """
    if isinstance(value, Unwritable):
        return path, value
    for step, part in _parts(value):
        found = find_unwritable(part, f"{path}{step}" if path else step.removeprefix("."))
        if found is not None:
            return found
    return None


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return [(f".{each.encode_name}", getattr(value, each.name)) for each in fields]
    if isinstance(value, dict):
        keys = [(".keys", key) for key in value if isinstance(key, Unwritable)]
        return [*keys, *((f".{key}", part) for key, part in value.items())]
    return [("[]", part) for part in value] if isinstance(value, list) else ()
