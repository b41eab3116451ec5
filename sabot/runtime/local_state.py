"""State for the embedded broker: kept in this process, along with plain commits.

That broker keeps no offsets that are committed in a transaction, so state and offsets
cannot go together there across processes. Within one they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

from sabot.errors import BrokerError
from sabot.kafka.connect import cluster_id
from sabot.kafka.embedded import is_embedded, is_embedded_cluster
from sabot.kafka.properties import connection_properties
from sabot.logs import get_logger
from sabot.runtime.compile import DomainPlan
from sabot.runtime.progress import Start
from sabot.runtime.stateful_plan import StoreUse
from sabot.state import MemoryStore, Shard, Store
from sabot.types import TopicPartition

__all__ = ["LocalState", "on_embedded"]


def on_embedded(plan: DomainPlan) -> bool:
    """Whether a plan reads an embedded broker, of this process or another; asks the cluster.

    A cluster that does not answer is none; the start says what is wrong with it.
    """
    source = plan.sources[0]
    if not hasattr(source, "bootstrap_servers"):
        return False
    if is_embedded(str(source.bootstrap_servers)):
        return True
    connection = connection_properties(source.client_properties())
    try:
        return is_embedded_cluster(cluster_id(connection, source.connect_timeout_seconds))
    except BrokerError:
        return False


class LocalState:
    """What `DomainState` is, without a changelog.

    Args:
        uses: What the domain's steps keep.
        kept: The stores, by name and partition; they outlive this object, since a domain
            that begins again goes on with them.
        ready: Called for each partition that may begin, with its shards.
    """

    restoring: frozenset[TopicPartition] = frozenset()

    def __init__(
        self,
        uses: Sequence[StoreUse],
        kept: MutableMapping[tuple[str, int], Store],
        ready: Callable[[TopicPartition, Start, Mapping[str, Shard]], None],
    ) -> None:
        self._uses = uses
        self._kept = kept
        self._ready = ready

    @property
    def topics(self) -> frozenset[str]:
        """The topics whose partitions have state."""
        return frozenset(use.topic for use in self._uses)

    def open(self) -> None:
        """Say what state is worth here."""
        get_logger("sabot.state").warning(
            "the embedded broker keeps no state: it is gone with this process; for development",
            stores=[use.store for use in self._uses],
        )

    def assigned(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Let the partitions begin with what this process has of them."""
        for tp, start in starts.items():
            uses = [use for use in self._uses if use.topic == tp.topic]
            if uses:
                self._ready(tp, start, {use.store: self._shard(use, tp) for use in uses})

    def _shard(self, use: StoreUse, tp: TopicPartition) -> Shard:
        store = self._kept.setdefault((use.store, tp.partition), MemoryStore())
        return Shard(store, use.store, tp.partition)

    def remaining(self) -> int:
        """Return 0: nothing is restored."""
        return 0

    def released(self, partitions: Iterable[TopicPartition]) -> None:
        """Do nothing: what is committed stays."""

    def close(self) -> None:
        """Do nothing: what is committed stays."""
