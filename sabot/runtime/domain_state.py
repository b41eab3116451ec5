"""The state of a domain's steps: opened, restored and handed over partition by partition.

A partition whose steps keep state waits, unread, until its shards hold what its commit
says: `DomainState.assigned` takes the starts of new partitions, and `ready` is called for
each when it may begin.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from sabot.errors import StateMismatchError
from sabot.kafka.changelog import Changelog
from sabot.kafka.restore import Restorer
from sabot.logs import get_logger
from sabot.plan.nodes import Stateful
from sabot.runtime.progress import Start
from sabot.runtime.settings import StatePolicy
from sabot.state import Shard, StateDirectory
from sabot.types import TopicPartition

__all__ = ["DomainState", "StoreUse"]

_OPENERS = 4
"""How many shards are opened at once; opening one may wait for its last owner."""


@dataclass(frozen=True, slots=True)
class StoreUse:
    """A store and the topic whose partitions it is kept by."""

    store: str
    topic: str


Ready = Callable[[TopicPartition, Start, Mapping[str, Shard]], None]
