"""The shards one pipeline has, and what it does with them at a cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sabot.operators.stateful import StatefulOperator
from sabot.state import Delta, Shard
from sabot.types import TopicPartition

__all__ = ["Kept"]


class Kept:
    """What the steps of a pipeline keep; used by the pipeline's thread only.

    Args:
        operators: The steps that keep state, each with the topic it reads.
    """

    def __init__(self, operators: Iterable[tuple[StatefulOperator, str | None]]) -> None:
        self._operators = list(operators)
        self._shards: dict[tuple[str, TopicPartition], Shard] = {}

    def assign(self, shards: Mapping[tuple[str, TopicPartition], Shard]) -> None:
        """Use these shards for the rows of their partitions."""
        for operator, topic in self._operators:
            for (store, tp), shard in shards.items():
                if store == operator.store and tp.topic == topic:
                    operator.assign(tp.partition, shard)
                    self._shards[store, tp] = shard

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Let go of partitions; what of them is not committed is dropped."""
        gone = set(partitions)
        for operator, topic in self._operators:
            for tp in gone:
                if tp.topic == topic:
                    operator.release(tp.partition)
        for place in [place for place in self._shards if place[1] in gone]:
            self._shards.pop(place).close()

    def freeze(self, cut: int) -> tuple[Delta, ...]:
        """Return what changed since the last cut."""
        frozen = (shard.freeze(cut) for shard in self._shards.values())
        return tuple(delta for delta in frozen if delta is not None)

    def committed(self, cut: int, ends: Mapping[tuple[str, int], int]) -> None:
        """Take over into the stores what is durable now.

        Raises:
            StateError: If a store does not take it.
        """
        for shard in self._shards.values():
            shard.committed(cut, ends.get((shard.topic, shard.partition)))
