"""Names of steps: what errors, logs, dead letters and ``explain()`` call them."""

from __future__ import annotations

import re

from sabot.errors import PlanError
from sabot.plan.nodes import Node, ancestors

__all__ = ["check_store_name", "location", "step_name"]

_STORE = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


def check_store_name(name: object) -> None:
    """Refuse a name that cannot be part of a topic's.

    Raises:
        PlanError: If it cannot.

    Example:
        >>> check_store_name("totals-by-customer")
    """
    if not isinstance(name, str) or not _STORE.match(name):
        raise PlanError(
            f"store must be a name of letters, digits, '.', '_' and '-', at most 100 of them; "
            f"got {name!r}"
        )


def step_name(kind: str, parent: Node) -> str:
    """Return ``kind-N``, counting the steps of that kind from the source down.

    The number depends only on the path above the step, so that adding a branch
    elsewhere renames nothing.
    """
    prefix = f"{kind}-"
    used = sum(1 for node in ancestors(parent) if node.name.startswith(prefix))
    return f"{prefix}{used + 1}"


def location(function: object) -> str:
    """Return ``name (file.py:line)`` of a user's function, for people.

    Example:
        >>> location(len)
        'len'
    """
    name = getattr(function, "__qualname__", None) or type(function).__name__
    name = name.rpartition("<locals>.")[2]
    code = getattr(function, "__code__", None)
    if code is None:
        return str(name)
    file = code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{name} ({file}:{code.co_firstlineno})"
