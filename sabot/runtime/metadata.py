"""What is committed beside an offset, and what a start makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sabot.errors import CommitError, ConfigurationError
from sabot.runtime.progress import Start

__all__ = ["METADATA_BYTES", "metadata_of", "start_of"]

METADATA_BYTES = 4096
"""The broker's default for ``offset.metadata.max.bytes``; above it a commit is refused."""


def metadata_of(
    number: int,
    ahead: Mapping[str, int],
    state: Mapping[str, int] | None = None,
    *,
    exact: bool = False,
) -> str:
    """Return what is committed beside an offset: the cut, and branches that are ahead.

    Where that is more than a broker takes, the branches are left out: after a restart
    they then do again what they had done. Where state ends is never left out: restored
    without it, state would not be that of the commit.

    Args:
        number: The cut.
        ahead: Branch to offset.
        state: Changelog topic to the offset the state ends at.
        exact: Refuse to leave the branches out.

    Raises:
        ConfigurationError: If the changelogs alone are too much.
        CommitError: If the branches would have to be left out and must not be.

    Example:
        >>> metadata_of(7, {"to_kafka:b": 12}, {"billing-totals-changelog": 40})
        '{"v":1,"cut":7,"ahead":{"to_kafka:b":12},"state":{"billing-totals-changelog":40}}'
    """
    noted: dict[str, Any] = {"v": 1, "cut": number}
    if ahead:
        noted["ahead"] = dict(ahead)
    if state:
        noted["state"] = dict(state)
    text = _dense(noted)
    if len(text) <= METADATA_BYTES:
        return text
    if ahead and exact:
        raise CommitError(
            f"{len(ahead)} branches are ahead of the slowest of them, which is more than a commit "
            f"can say in {METADATA_BYTES} bytes; it is made when they are level"
        )
    noted.pop("ahead", None)
    text = _dense(noted)
    if len(text) > METADATA_BYTES:
        raise ConfigurationError(
            f"the names of {len(state or ())} changelog topics make a commit of {len(text)} bytes, "
            f"and brokers take {METADATA_BYTES} (offset.metadata.max.bytes); give tables shorter "
            "names, or the app a shorter id"
        )
    return text


def _dense(noted: Mapping[str, Any]) -> str:
    # Other than ASCII is escaped, so that a character is a byte.
    return json.dumps(noted, separators=(",", ":"))


def start_of(offset: int, epoch: int, metadata: str) -> Start:
    """Return where a partition starts, from its commit; foreign metadata says nothing.

    Example:
        >>> start_of(5, 1, '{"v":1,"cut":7,"ahead":{"b":12}}').ahead
        {'b': 12}
        >>> start_of(5, 1, "somebody else's").ahead
        {}
    """
    try:
        noted = json.loads(metadata) if metadata else {}
    except ValueError:
        noted = {}
    if not isinstance(noted, dict) or noted.get("v") != 1:
        noted = {}
    cut = noted.get("cut", 0)
    return Start(
        offset,
        epoch,
        _offsets(noted.get("ahead")),
        _offsets(noted.get("state")),
        cut if isinstance(cut, int) else 0,
    )


def _offsets(noted: Any) -> dict[str, int]:
    if not isinstance(noted, dict):
        return {}
    return {name: offset for name, offset in noted.items() if isinstance(offset, int)}
