"""The names of topics that Sabot keeps beside something of the user's."""

from __future__ import annotations

import hashlib
import re

__all__ = ["companion_topic"]

_LONGEST = 249


def companion_topic(name: str, suffix: str) -> str:
    """Return the name of a topic that belongs to a group or a topic.

    What no topic's name may have in it, or what is too long, is replaced, and a mark of the
    whole name keeps two of them apart.

    Example:
        >>> companion_topic("billing", "sabot-schemas")
        'billing-sabot-schemas'
        >>> companion_topic("a group", "sabot-schemas")
        'a_group-7058b14e-sabot-schemas'
    """
    ending = f"-{suffix}"
    allowed = re.sub(r"[^a-zA-Z0-9._-]", "_", name)
    if allowed != name or len(allowed) + len(ending) > _LONGEST:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        allowed = f"{allowed[: _LONGEST - len(ending) - 9]}-{mark}"
    return allowed + ending
