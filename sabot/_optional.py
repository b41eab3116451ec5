"""Optional packages: imported when they are needed, with the command that installs them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from sabot.errors import MissingDependencyError

__all__ = ["require"]


def require(package: str, *, extra: str, needed_by: str) -> ModuleType:
    """Import an optional package, or say how to get it.

    A package that is there but fails while it is imported raises what it raises: that it
    is missing would be a wrong lead.

    Args:
        package: The import name, dotted if need be.
        extra: The extra of this distribution that brings it.
        needed_by: What the user asked for, as the first words of the message.

    Raises:
        MissingDependencyError: If the package is not installed.

    Example:
        >>> require("json", extra="none", needed_by="this example").__name__
        'json'
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or package
        if package != missing and not package.startswith(f"{missing}."):
            raise
        raise MissingDependencyError(package=package, needed_by=needed_by, extra=extra) from error
