"""Looks at a domain again and again, and does what the watchdog says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from sabot.actors import ActorState
from sabot.kafka.log_ends import LogEnds
from sabot.logs import get_logger
from sabot.runtime.lane import Lane
from sabot.runtime.watchdog import (
    ActorSample,
    BrokerGone,
    PartitionSample,
    Slow,
    Stuck,
    Verdict,
    Watchdog,
)
from sabot.types import TopicPartition

__all__ = ["Watch", "WatchedReader"]

_ASK_SECONDS = (2.0, 5.0)
"""How long an answer may take: at least, however often is looked, and at most."""


class WatchedReader(Protocol):
    """What is asked of a reader, and of it."""

    def positions(self) -> dict[TopicPartition, int]: ...
    def seek_anew(self, partitions: Collection[TopicPartition]) -> None: ...


class Watch:
    """The thread that looks; it outlives no domain.

    Args:
        name: The domain's, for logs.
        watchdog: Judges what is seen.
        lanes: The actors.
        reader: Where partitions are read, if they are.
        ends: Where logs end.
        topic: What to ask a cluster for that has nothing assigned.
        blocked: Which partitions are held back for an actor.
        on_end: Called with the reason why the domain must not go on.
        stopping: Set when there is nothing more to look at.
    """

    def __init__(
        self,
        name: str,
        watchdog: Watchdog,
        lanes: Sequence[Lane],
        *,
        reader: WatchedReader | None,
        ends: LogEnds | None,
        topic: str,
        blocked: Callable[[Collection[TopicPartition]], Collection[TopicPartition]],
        on_end: Callable[[BaseException], None],
        stopping: threading.Event,
    ) -> None:
        self._watchdog = watchdog
        self._lanes = lanes
        self._reader = reader
        self._ends = ends
        self._topic = topic
        self._blocked = blocked
        self._on_end = on_end
        self._stopping = stopping
        self._log = get_logger("sabot.watchdog").bind(group=name)
        self.thread = threading.Thread(target=self._run, name=f"sabot-watchdog-{name}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self.thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._watchdog.look_seconds):
                for verdict in self._look():
                    self._act(verdict)
        except Exception as error:
            # Without it nobody would notice a domain that stands still.
            self._on_end(error)
        finally:
            if self._ends is not None:
                self._ends.close()

    def _look(self) -> list[Verdict]:
        partitions, answers = self._sample_partitions()
        if self._stopping.is_set():
            return []
        actors = {lane.name: _sample_actor(lane) for lane in self._lanes}
        return self._watchdog.judge(time.monotonic(), partitions, actors, cluster_answers=answers)

    def _sample_partitions(self) -> tuple[dict[TopicPartition, PartitionSample], bool]:
        if self._reader is None or self._ends is None:
            return {}, True
        least, most = _ASK_SECONDS
        timeout = max(least, min(most, 2 * self._watchdog.look_seconds))
        positions = self._reader.positions()
        if not positions:
            return {}, self._ends.cluster_answers(self._topic, timeout)
        found = self._ends.ask(self._watchdog.unmoved(positions), timeout)
        blocked = self._blocked(positions.keys())
        # Asked again: what moved while the leaders answered must not look unmoved.
        now = self._reader.positions()
        return {
            tp: PartitionSample(
                position=now[tp],
                end=found.get(tp),
                answers=found.get(tp, 0) is not None,
                blocked=tp in blocked,
            )
            for tp in positions
            if tp in now
        }, not found or any(end is not None for end in found.values())

    def _act(self, verdict: Verdict) -> None:
        if isinstance(verdict, BrokerGone) or verdict.hopeless:
            self._on_end(verdict.error())
        elif isinstance(verdict, Stuck):
            self._log.error(
                "partition stands still and is read anew",
                partition=str(verdict.tp),
                position=verdict.position,
                end=verdict.end,
                seconds=round(verdict.seconds, 1),
            )
            if self._reader is not None:
                self._reader.seek_anew([verdict.tp])
        elif isinstance(verdict, Slow):
            lane = next(lane for lane in self._lanes if lane.name == verdict.name)
            self._log.warning(
                "step has had the same work in hand for long",
                step=verdict.name,
                seconds=round(verdict.seconds, 1),
                waiting=verdict.waiting,
                where=lane.actor.where(),
                # A handler is not on its actor's thread, which only waits for it.
                stack=None if lane.actor.answers_itself else lane.ref.stack(),
            )


def _sample_actor(lane: Lane) -> ActorSample:
    seen, actor = lane.ref.statistics(), lane.actor
    busy = seen.in_hand_seconds is not None and seen.state in (
        ActorState.RUNNING,
        ActorState.DRAINING,
    )
    mark: tuple[object, ...] = (
        seen.records_done,
        actor.records_in,
        sum(actor.records_out.values()),
        actor.skipped_count,
        actor.dead_letter_count,
    )
    if busy and actor.answers_itself:
        # An agent gets on event by event within what it has in hand.
        mark += (
            sorted(
                position for each in actor.report().positions.values() for position in each.items()
            ),
        )
    return ActorSample(mark, busy, seen.depth)
