"""Where reading a changelog begins, by what the store holds and what the log still has."""

from __future__ import annotations

import time

from sabot.errors import StateMismatchError
from sabot.kafka.log_bounds import LogBounds
from sabot.logs import get_logger
from sabot.state.store import Store
from sabot.types import TopicPartition

__all__ = ["restore_start"]


def restore_start(
    store: Store,
    place: TopicPartition,
    target: int | None,
    *,
    ends: LogBounds,
    deletions_last: float | None = None,
) -> int | None:
    """Return the offset to read from; ``None`` if there is nothing to read.

    A store that does not go together with the log is emptied.

    Args:
        store: What is to be filled.
        place: The changelog's partition.
        target: Where the committed state ends; ``None`` to read on and on.
        ends: Says where the log begins and ends.
        deletions_last: Seconds for which the log keeps deletions; a store that has
            missed what is older is emptied, too.

    Raises:
        StateMismatchError: If the commit and the log cannot belong together.
        BrokerError: If the log's ends are not known.
        StateError: If the store cannot be emptied.
    """
    if store.position == target:
        return None
    low, high = ends.of(place)
    if target is not None:
        _check_target(place, target, low, high)
    why = ""
    if store.position > (high if target is None else target):
        why = f"it is at offset {store.position}, ahead of the commit"
    elif 0 < store.position < low:
        why = f"it is at offset {store.position}, which is gone"
    elif store.position > 0 and _missed_deletions(store, place, ends, deletions_last):
        why = "it has missed changes for longer than deletions can be read"
    if why:
        get_logger("sabot.restore").warning(
            "local state is read anew from the changelog", shard=str(place), why=why
        )
        store.clear()
    start = max(store.position, low)
    return None if target is not None and start >= target else start


def _missed_deletions(
    store: Store, place: TopicPartition, ends: LogBounds, deletions_last: float | None
) -> bool:
    """Whether something old follows the store's position, where a deletion may have been."""
    if deletions_last is None:
        return False
    return store.position < ends.first_since(place, time.time() - deletions_last)


def _check_target(place: TopicPartition, target: int, low: int, high: int) -> None:
    """Refuse a commit that the changelog cannot have been part of.

    Raises:
        StateMismatchError: Then, with what may be done.
    """
    if target > high:
        why = f"ends at {high}: it was made anew or cut off"
    elif low > target > 0:
        why = f"begins at {low}: what it held is deleted"
    else:
        return
    raise StateMismatchError(
        f"the commit says that the state in {place} ends at offset {target}, but the changelog "
        f"{why}. Start with --state keep to go on with what it holds, or reset the group's "
        "offsets and start with --state rebuild to read everything again"
    )
