"""Who a consumer says it is: the client's name, and its lasting place in the group."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

__all__ = ["member_properties"]


def member_properties(
    properties: Mapping[str, Any], *, application: str, slot: str | None, static: bool
) -> dict[str, Any]:
    """Return a consumer's properties with its slot in them.

    A static member that leaves keeps its partitions until its session times out, so that a
    restart within that time moves none of them.

    Args:
        properties: As its source made them; names given there are kept, with the slot
            behind an instance id, which no two members of a group may share.
        application: The app's id.
        slot: The worker's own name; a static member's is the machine's unless given.
        static: Whether it is to be a static member.

    Example:
        >>> mine = {"group.id": "g", "client.id": "sabot-g"}
        >>> member_properties(mine, application="shop", slot="2", static=True)
        {'group.id': 'g', 'client.id': 'sabot-g-2', 'group.instance.id': 'shop-2'}
        >>> member_properties(mine, application="shop", slot=None, static=False) == mine
        True
    """
    named = dict(properties)
    if slot is None and static:
        slot = socket.gethostname()
    if slot is None:
        return named
    group = named.get("group.id")
    if named.get("client.id") == f"sabot-{group}":
        named["client.id"] = f"sabot-{group}-{slot}"
    given = named.get("group.instance.id")
    if given:
        named["group.instance.id"] = f"{given}-{slot}"
    elif static:
        named["group.instance.id"] = f"{application}-{slot}"
    return named
