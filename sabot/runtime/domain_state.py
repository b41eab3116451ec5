"""The state of a domain's steps: opened, restored and handed over partition by partition.

A partition whose steps keep state waits, unread, until its shards hold what its commit
says: `DomainState.assigned` takes the starts of new partitions, and ``ready`` is called
for each when it may begin.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sabot.errors import PartitionLostError, StateMismatchError
from sabot.kafka.changelog import Changelog, changelog_topic, ensure_changelog
from sabot.kafka.restore import Restored, Restorer
from sabot.logs import get_logger
from sabot.runtime.progress import Start
from sabot.runtime.settings import StateSettings
from sabot.runtime.standbys import Standbys
from sabot.runtime.stateful_plan import StoreUse
from sabot.state import MemoryStore, Shard, Store
from sabot.types import TopicPartition

if TYPE_CHECKING:
    from sabot.state.directory import StateDirectory

__all__ = ["REBUILD", "DomainState"]

REBUILD = -1
"""In place of the offset at which state ends: begin with none."""

_OPENERS = 16
"""How many partitions are prepared at once; each mostly waits for the broker."""

Shards = Mapping[str, Shard]
Ready = Callable[[TopicPartition, Start, Shards], None]


class DomainState:
    """Prepares the shards of partitions that come, and forgets those of partitions that go.

    Args:
        uses: What the domain's steps keep.
        application: Names the changelogs.
        properties: Of the source's consumer.
        settings: Where and how state is kept.
        directory: Where it is kept on disk; ``None`` for memory.
        timeout: Seconds until a cluster that does not answer is an error.
        ready: Called when a partition may begin, from any thread.
        failed: Called with the error when one cannot.
        member: Returns this worker's id in the group, for standbys.
    """

    def __init__(
        self,
        uses: Sequence[StoreUse],
        *,
        application: str,
        properties: Mapping[str, Any],
        settings: StateSettings,
        directory: StateDirectory | None,
        timeout: float,
        ready: Ready,
        failed: Callable[[BaseException], None],
        member: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._uses = uses
        self._application = application
        self._properties = properties
        self._settings = settings
        self._directory = directory
        self._timeout = timeout
        self._ready = ready
        self._failed = failed
        self._member = member
        self._changelogs: dict[str, Changelog] = {}
        self._restorer: Restorer | None = None
        self._standbys: Standbys | None = None
        self._openers = ThreadPoolExecutor(_OPENERS, "sabot-state")
        # Guards what follows; held while a partition begins, so that it cannot go meanwhile.
        self._lock = threading.RLock()
        self._preparing: dict[TopicPartition, int] = {}
        self._owned: set[TopicPartition] = set()
        self._shards: dict[tuple[TopicPartition, str], Shard] = {}
        self._log = get_logger("sabot.state").bind(app=application)

    @property
    def topics(self) -> frozenset[str]:
        """The topics whose partitions have state."""
        return frozenset(use.topic for use in self._uses)

    def open(self) -> None:
        """Make the changelogs, where they are not there, and see that they fit.

        Raises:
            StateMismatchError: If one does not.
            BrokerError: If the cluster refuses, or does not answer.
        """
        for use in self._uses:
            self._changelogs[use.store] = ensure_changelog(
                changelog_topic(self._application, use.store),
                use.topic,
                self._properties,
                timeout=self._timeout,
            )
        self._restorer = Restorer(self._properties)
        if self._settings.standby_replicas:
            self._standbys = Standbys(
                self._uses,
                changelogs=self._changelogs,
                replicas=self._settings.standby_replicas,
                properties=self._properties,
                open_store=self._open_standby,
                member=self._member,
                owned=lambda: self._owned,
            )

    def close(self) -> None:
        """Let go of all stores; only after those who use them have ended."""
        with self._lock:
            self._preparing.clear()
        if self._restorer is not None:
            self._restorer.close()
        self._openers.shutdown(wait=True, cancel_futures=True)
        if self._standbys is not None:
            self._standbys.close()
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()

    # --- partitions -----------------------------------------------------------------

    @property
    def restoring(self) -> frozenset[TopicPartition]:
        """The partitions that wait for their state."""
        return frozenset(self._preparing)

    def remaining(self) -> int:
        """Return how many changelog offsets are still to be read."""
        return 0 if self._restorer is None else sum(self._restorer.remaining().values())

    def assigned(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Prepare those of the partitions that have state."""
        for tp, start in starts.items():
            if tp.topic in self.topics:
                with self._lock:
                    self._preparing[tp] = start.epoch
                    self._owned.add(tp)
                self._openers.submit(self._prepare, tp, start)
        if self._standbys is not None:
            self._standbys.rebalanced()

    def released(self, partitions: Iterable[TopicPartition]) -> None:
        """Give up the preparation of partitions that are gone."""
        for tp in partitions:
            with self._lock:
                gone = self._preparing.pop(tp, None)
                self._owned.discard(tp)
            if gone is not None and self._restorer is not None:
                for use in self._uses_of(tp):
                    self._restorer.withdraw(self._changelogs[use.store].topic, tp.partition)

    def _uses_of(self, tp: TopicPartition) -> list[StoreUse]:
        return [use for use in self._uses if use.topic == tp.topic]

    # --- preparing ------------------------------------------------------------------

    def _wants(self, tp: TopicPartition, start: Start) -> bool:
        return self._preparing.get(tp) == start.epoch

    def _prepare(self, tp: TopicPartition, start: Start) -> None:
        shards: dict[str, Shard] = {}
        try:
            ends: dict[str, int] = {}
            for use in self._uses_of(tp):
                changelog = self._changelogs[use.store]
                store = self._standbys_store(use, tp) or self._open_store(use, tp, start)
                shard = shards[use.store] = Shard(store, changelog.topic, tp.partition)
                if not self._restore(store, changelog, tp, start):
                    # In the first transaction, so that the offsets it goes with are in it.
                    shard.delete_all()
                ends[changelog.topic] = store.position
            self._begin(tp, replace(start, state={**start.state, **ends}), shards)
        except PartitionLostError:
            _close(shards.values())
        except BaseException as error:
            _close(shards.values())
            if self._wants(tp, start):
                self._failed(error)

    def _begin(self, tp: TopicPartition, start: Start, shards: Shards) -> None:
        with self._lock:
            if not self._wants(tp, start):
                raise PartitionLostError(f"{tp} went while its state was restored")
            for store, shard in shards.items():
                self._shards[tp, store] = shard
            # First the word to the actors: what was read before it would find no state.
            self._ready(tp, start, shards)
            del self._preparing[tp]

    def _open_standby(self, use: StoreUse, partition: int) -> Store:
        if self._directory is None:
            return MemoryStore()
        identity = self._changelogs[use.store].identity
        return self._directory.open_standby(use.store, partition, identity)

    def _open_store(self, use: StoreUse, tp: TopicPartition, start: Start) -> Store:
        if self._directory is None:
            return MemoryStore()
        return self._directory.open(
            use.store,
            tp.partition,
            self._changelogs[use.store].identity,
            given_up=lambda: not self._wants(tp, start),
        )

    def _standbys_store(self, use: StoreUse, tp: TopicPartition) -> Store | None:
        return None if self._standbys is None else self._standbys.take(use.store, tp.partition)

    def _restore(
        self, store: Store, changelog: Changelog, tp: TopicPartition, start: Start
    ) -> bool:
        """Restore a store; return whether what it holds is still wanted."""
        target = start.state.get(changelog.topic)
        wanted = True
        had = store.position
        if target is None or target == REBUILD:
            restored, wanted = self._restore_unknown(
                store, changelog, tp, start, wanted=target is None
            )
        else:
            restored = self._restore_known(store, changelog, tp, start, target)
        self._log.info(
            "state restored",
            partition=str(tp),
            changelog=changelog.topic,
            records=restored.records,
            had=had,
            now=restored.position,
        )
        return wanted

    def _read(
        self, store: Store, changelog: Changelog, tp: TopicPartition, start: Start, target: int
    ) -> Restored:
        assert self._restorer is not None
        with self._lock:
            # Not between the look and the call: a partition that came back is read already.
            if not self._wants(tp, start):
                raise PartitionLostError(f"{tp} went before its state was restored")
            reading = self._restorer.restore(
                store,
                changelog.topic,
                tp.partition,
                target,
                deletions_last=changelog.deletions_last,
            )
        return reading.result()

    def _read_all(
        self, store: Store, changelog: Changelog, tp: TopicPartition, start: Start
    ) -> Restored:
        assert self._restorer is not None
        store.clear()
        end = self._restorer.end_of(changelog.topic, tp.partition)
        return self._read(store, changelog, tp, start, end)

    def _restore_known(
        self, store: Store, changelog: Changelog, tp: TopicPartition, start: Start, target: int
    ) -> Restored:
        """Restore state as of a commit.

        Raises:
            StateMismatchError: If the changelog does not have it, and nobody has said to go on.
        """
        try:
            return self._read(store, changelog, tp, start, target)
        except StateMismatchError as error:
            if self._settings.policy != "keep":
                raise
            self._log.warning("state is kept as it is found", partition=str(tp), why=str(error))
            return self._read_all(store, changelog, tp, start)

    def _restore_unknown(
        self, store: Store, changelog: Changelog, tp: TopicPartition, start: Start, *, wanted: bool
    ) -> tuple[Restored, bool]:
        """Restore where no commit says what the state is as of; also return whether to keep it.

        Raises:
            StateMismatchError: If there is state and nobody has said what becomes of it.
        """
        restored = self._read_all(store, changelog, tp, start)
        if next(store.scan(), None) is None or not wanted:
            return restored, wanted
        if self._settings.policy == "refuse":
            raise StateMismatchError(
                f"changelog {changelog.topic!r} has state for {tp}, but the group has no commit "
                "of this app there that says what it is as of: its offsets were reset, expired "
                "or committed by something else. Start once with --state keep to go on with that "
                "state from where the offsets say, or with --state rebuild to delete it"
            )
        return restored, self._settings.policy == "keep"


def _close(shards: Collection[Shard] | Iterable[Shard]) -> None:
    for shard in shards:
        shard.close()
