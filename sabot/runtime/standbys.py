"""Standbys: copies of state whose partitions other workers have, kept up to date.

When the owner of a partition is gone, the worker that keeps its standby has to read only
the tail of the changelog. Nobody is told to keep one: each worker asks the group who its
members are, and comes to the same answer as the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sabot.errors import SabotError
from sabot.kafka.changelog import Changelog
from sabot.kafka.group_members import GroupMember, GroupMembership
from sabot.kafka.restore import Restored, Restorer
from sabot.logs import get_logger
from sabot.runtime.stateful_plan import StoreUse
from sabot.state import Store
from sabot.types import TopicPartition

__all__ = ["Standbys", "standby_partitions"]

_LOOK_SECONDS = 10.0
_SETTLE_SECONDS = 1.0
_HAND_OVER_SECONDS = 10.0


def standby_partitions(
    members: Collection[GroupMember], me: str, replicas: int
) -> set[TopicPartition]:
    """Return the partitions of which a member keeps a standby.

    These are the partitions of the ``replicas`` members before it, in the order of their
    ids and round the end: so a partition's standbys are with the members that follow its
    owner. A member that is not in the group keeps none.

    Example:
        >>> a = GroupMember("a", frozenset({TopicPartition("t", 0)}))
        >>> b = GroupMember("b", frozenset({TopicPartition("t", 1)}))
        >>> standby_partitions([b, a], "a", 1)
        {TopicPartition(topic='t', partition=1)}
        >>> standby_partitions([a], "a", 1)
        set()
    """
    ordered = sorted(members, key=lambda member: member.id)
    ids = [member.id for member in ordered]
    if me not in ids:
        return set()
    place = ids.index(me)
    found: set[TopicPartition] = set()
    for back in range(1, min(replicas, len(ordered) - 1) + 1):
        found |= ordered[place - back].partitions
    return found


@dataclass(frozen=True, slots=True)
class _Standby:
    """A store that follows its changelog."""

    store: Store
    followed: Future[Restored]


class Standbys:
    """Keeps the standbys of one worker, on a thread of its own.

    What fails here costs a later restore its head start and is tried again; it never ends
    the worker.

    Args:
        uses: What steps keep, for which topics.
        changelogs: The changelog of each store.
        replicas: How many standbys each partition has.
        properties: Of a consumer of the group.
        open_store: Opens a place for a standby: ``(use, partition)``.
        member: Returns this worker's id in the group, or ``None`` before it has one.
        owned: Returns the partitions this worker has: it keeps no standby of them.
    """

    def __init__(
        self,
        uses: Sequence[StoreUse],
        *,
        changelogs: Mapping[str, Changelog],
        replicas: int,
        properties: Mapping[str, Any],
        open_store: Callable[[StoreUse, int], Store],
        member: Callable[[], str | None],
        owned: Callable[[], Collection[TopicPartition]],
    ) -> None:
        self._uses = uses
        self._changelogs = changelogs
        self._replicas = replicas
        self._open_store = open_store
        self._member = member
        self._owned = owned
        self._membership = GroupMembership(properties)
        self._restorer = Restorer(properties)
        # Guards what follows; held while a standby is begun, so that it is taken whole.
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int], _Standby] = {}
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._log = get_logger("sabot.standby")
        self._thread = threading.Thread(target=self._run, name="sabot-standbys", daemon=True)
        self._thread.start()

    @property
    def places(self) -> frozenset[tuple[str, int]]:
        """Store and partition of each standby that is kept now."""
        return frozenset(self._kept)

    def rebalanced(self) -> None:
        """Look soon at who is in the group."""
        self._news.set()

    def take(self, store: str, partition: int) -> Store | None:
        """Hand a standby's store over to the partition's new owner, this worker.

        ``None`` where there is no standby, or none that is in order.
        """
        with self._lock:
            standby = self._kept.pop((store, partition), None)
        if standby is None or not self._ends(store, partition, standby):
            return None
        self._log.info(
            "standby takes over",
            store=store,
            partition=partition,
            position=standby.store.position,
        )
        return standby.store

    def close(self) -> None:
        """Let go of all standbys; those on disk are gone on with later."""
        self._stopping.set()
        self._news.set()
        self._thread.join()
        self._restorer.close()
        for standby in self._kept.values():
            standby.store.close()
        self._kept.clear()

    # --- the thread -----------------------------------------------------------------

    def _run(self) -> None:
        wait = _SETTLE_SECONDS
        while not self._stopping.is_set():
            if self._news.wait(wait):
                self._news.clear()
            if self._stopping.is_set():
                return
            try:
                wait = _LOOK_SECONDS if self._look() else _SETTLE_SECONDS
            except SabotError as error:
                wait = _LOOK_SECONDS
                self._log.warning("standbys are not looked after", why=str(error))

    def _look(self) -> bool:
        """Keep what is to be kept now; ``False`` where the group is not settled."""
        me, members = self._member(), self._membership.members()
        if me is None or members is None or me not in {member.id for member in members}:
            return False
        partitions = standby_partitions(members, me, self._replicas)
        wanted = {
            (use.store, tp.partition): use
            for use in self._uses
            for tp in partitions
            if tp.topic == use.topic
        }
        for place in [place for place in self._kept if place not in wanted]:
            self._give_up(*place)
        for (store, partition), use in wanted.items():
            self._keep(store, partition, use)
        return True

    def _keep(self, store: str, partition: int, use: StoreUse) -> None:
        standby = self._kept.get((store, partition))
        if standby is not None and not standby.followed.done():
            return
        if standby is not None:
            self._log.warning("standby begins again", why=str(standby.followed.exception()))
            self._give_up(store, partition)
        with self._lock:
            if self._stopping.is_set() or TopicPartition(use.topic, partition) in self._owned():
                return
            place = self._open_store(use, partition)
            changelog = self._changelogs[store]
            followed = self._restorer.follow(
                place, changelog.topic, partition, deletions_last=changelog.deletions_last
            )
            self._kept[store, partition] = _Standby(place, followed)
        self._log.info("standby is kept", store=store, partition=partition, had=place.position)

    def _give_up(self, store: str, partition: int) -> None:
        with self._lock:
            standby = self._kept.pop((store, partition), None)
        if standby is not None and self._ends(store, partition, standby):
            standby.store.close()
            self._log.info("standby is given up", store=store, partition=partition)

    def _ends(self, store: str, partition: int, standby: _Standby) -> bool:
        """End following; return whether the store is in order, and close it if not."""
        self._restorer.withdraw(self._changelogs[store].topic, partition)
        try:
            standby.followed.result(_HAND_OVER_SECONDS)
        except TimeoutError:
            # The restorer has it yet, so that nobody may close it; the process' end will.
            self._log.error("standby is not handed over", store=store, partition=partition)
            return False
        except Exception as error:
            self._log.warning("standby is not in order", why=str(error))
            standby.store.close()
            return False
        return True
