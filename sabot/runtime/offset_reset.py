"""Setting a group's offsets while nobody is in it, and saying what becomes of its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sabot.errors import ConfigurationError, StateMismatchError
from sabot.kafka.admin import end_offsets, list_topics
from sabot.kafka.changelog import changelogs_of
from sabot.kafka.group_offsets import GroupOffsets
from sabot.runtime.domain_state import REBUILD
from sabot.runtime.metadata import metadata_of, start_of
from sabot.types import TopicPartition

__all__ = ["OffsetReset", "Step"]

StateWord = Literal["keep", "rebuild"]


@dataclass(frozen=True, slots=True)
class Step:
    """One partition's change.

    Attributes:
        before: The committed offset; ``None`` without any.
        after: The offset it gets.
    """

    partition: TopicPartition
    before: int | None
    after: int


class OffsetReset:
    """Sets the offsets of one topic for one group.

    Args:
        bootstrap: The cluster.
        group: The group; nobody may be in it.
        topic: The topic.
        app: Whose changelogs belong to the group.
        state: What becomes of state in them: ``keep`` it as it is, or ``rebuild`` it: the
            worker that goes on deletes it along with its first commit.
        properties: Further librdkafka properties.

    Raises:
        StateMismatchError: If there is state and ``state`` is not given.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        app: str,
        state: StateWord | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._properties = dict(properties or {})
        self._offsets = GroupOffsets(bootstrap, group, self._properties)
        self._state = state
        self.topic = topic
        topics = list_topics(bootstrap, self._properties)
        self.changelogs = [
            name for name in changelogs_of(app, topics) if topics[name] == topics.get(topic)
        ]
        if self.changelogs and state is None:
            raise StateMismatchError(
                f"app {app!r} keeps state in {', '.join(map(repr, self.changelogs))}; say "
                "--state keep to go on with it from the new offsets, or --state rebuild to "
                "delete it and begin with none"
            )

    def plan(self, to: str | int, partition: int | None = None) -> list[Step]:
        """Return what would change.

        Args:
            to: ``earliest``, ``latest`` or an offset.
            partition: One partition only.

        Raises:
            ConfigurationError: If the offset is outside of what the log holds.
        """
        before = self._offsets.committed(self.topic)
        low, high = self._offsets.bounds(self.topic)
        steps: list[Step] = []
        for tp in sorted(high):
            if partition is not None and tp.partition != partition:
                continue
            after = low[tp] if to == "earliest" else high[tp] if to == "latest" else int(to)
            if not low[tp] <= after <= high[tp]:
                raise ConfigurationError(
                    f"{tp} holds offsets {low[tp]} to {high[tp]}, and was to be read from {after}"
                )
            steps.append(Step(tp, before[tp][0] if tp in before else None, after))
        if not steps:
            raise ConfigurationError(
                f"topic {self.topic!r} has no partition {partition!r}; it has "
                f"{', '.join(str(tp.partition) for tp in sorted(high))}"
            )
        return steps

    def make(self, steps: list[Step]) -> None:
        """Set the offsets; beside each stands where its state ends, or that it begins anew.

        Raises:
            BrokerError: If the group has members, or the cluster refuses.
        """
        self._offsets.require_empty()
        ends = {
            name: end_offsets(self._bootstrap, name, self._properties) for name in self.changelogs
        }
        committed = self._offsets.committed(self.topic)
        texts: dict[TopicPartition, tuple[int, str]] = {}
        for step in steps:
            old = start_of(0, 0, committed.get(step.partition, (0, ""))[1])
            number = step.partition.partition
            state = {
                name: known[TopicPartition(name, number)] if self._state == "keep" else REBUILD
                for name, known in ends.items()
            }
            texts[step.partition] = (step.after, metadata_of(old.cut + 1, {}, state))
        self._offsets.commit(texts)
