"""The packages that protobuf needs, imported when a codec is made."""

from __future__ import annotations

from types import ModuleType

from sabot._optional import require

__all__ = ["package"]


def package(name: str) -> ModuleType:
    """Import one of the packages of the extra ``protobuf``.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    return require(name, extra="protobuf", needed_by="codec 'protobuf'")
