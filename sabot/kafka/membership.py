"""Who a worker's clients say they are, so that no two of them take each other's place."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

__all__ = ["member_properties", "transactional_id"]


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


def transactional_id(application: str, group: str, slot: str) -> str:
    """Return who the producer of a group's transactions is.

    A newer producer of the same id fences the older one. So one slot of one app gives one
    id, and two apps never the same: the parts cannot be read in two ways, whatever is in
    them.

    Example:
        >>> transactional_id("shop", "shop", "web-0")
        'shop/shop/web-0'
        >>> transactional_id("a/b", "c", "0"), transactional_id("a", "b/c", "0")
        ('a%2Fb/c/0', 'a/b%2Fc/0')
    """
    return "/".join(quote(part, safe="") for part in (application, group, slot))
