"""Judges whether a domain still moves: samples in, verdicts out.

It knows no client, no thread and no clock of its own: who looks says what was seen and
when. What is told apart:

* a partition whose leader answers, that has records to read and does not move, though
  nothing holds it back: *stuck*. It is sought anew, and if that does not help the process
  ends;
* an actor that has had the same work in hand for long: *slow*. It is named, and ends the
  process only where `processing_timeout_seconds` says so;
* a leader that does not answer: no partition of it is judged, and after
  `broker_timeout_seconds` the process ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sabot.errors import (
    BrokerGoneError,
    ProcessingTimeoutError,
    SabotError,
    StuckPartitionError,
)
from sabot.runtime.settings import WorkerSettings
from sabot.types import TopicPartition

__all__ = ["ActorSample", "BrokerGone", "PartitionSample", "Slow", "Stuck", "Verdict", "Watchdog"]


@dataclass(frozen=True, slots=True)
class PartitionSample:
    """An assigned partition at one moment.

    Attributes:
        position: The next offset to read.
        end: Where its readable log ends (open transactions left out); ``None`` where
            nobody asked, or nobody knows.
        answers: Whether its leader answered, where it was asked.
        blocked: Whether it is held back for an actor.
    """

    position: int
    end: int | None = None
    answers: bool = True
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class ActorSample:
    """An actor at one moment.

    Attributes:
        mark: Anything that differs once it has got on with its work.
        busy: Whether it has work in hand, and is neither backing off nor at its end.
        waiting: Records that wait for it.
    """

    mark: object
    busy: bool
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Stuck:
    """A partition that ought to move and does not."""

    tp: TopicPartition
    position: int
    end: int
    seconds: float
    hopeless: bool
    """Whether it was sought anew already."""

    def error(self) -> SabotError:
        return StuckPartitionError(
            f"{self.tp} stands at offset {self.position} of {self.end} for {self.seconds:.0f} s: "
            "nothing holds it back, its leader answers, and reading it anew did not help"
        )


@dataclass(frozen=True, slots=True)
class Slow:
    """An actor that has had the same work in hand for long."""

    name: str
    seconds: float
    waiting: int
    hopeless: bool
    """Whether `processing_timeout_seconds` have passed."""

    def error(self) -> SabotError:
        return ProcessingTimeoutError(
            f"{self.name!r} has not got on with what it has in hand for {self.seconds:.0f} s, "
            "which is longer than processing_timeout_seconds; it is not committed",
            step=self.name,
        )


@dataclass(frozen=True, slots=True)
class BrokerGone:
    """No answer for `broker_timeout_seconds`."""

    partitions: tuple[TopicPartition, ...]
    seconds: float

    def error(self) -> SabotError:
        who = f"the leaders of {', '.join(map(str, self.partitions[:5]))}"
        if not self.partitions:
            who = "the cluster"
        return BrokerGoneError(
            f"{who} did not answer for {self.seconds:.0f} s, which is broker_timeout_seconds"
        )


Verdict = Stuck | Slow | BrokerGone


@dataclass(slots=True)
class _Place:
    """What is remembered of a partition."""

    position: int
    behind_since: float | None = None
    silent_since: float | None = None
    sought: bool = False


@dataclass(slots=True)
class _Work:
    """What is remembered of an actor."""

    mark: object
    since: float
    told_at: float | None = None


class Watchdog:
    """Remembers what was seen of one domain, over its restarts too.

    Args:
        settings: The times.

    Example:
        >>> dog = Watchdog(WorkerSettings(stuck_seconds=30))
        >>> tp, behind = TopicPartition("orders", 0), PartitionSample(position=5, end=9)
        >>> [dog.judge(now, {tp: behind}) for now in (0, 5)]
        [[], []]
        >>> dog.judge(35, {tp: behind})[0].hopeless, dog.judge(65, {tp: behind})[0].hopeless
        (False, True)
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._places: dict[TopicPartition, _Place] = {}
        self._work: dict[str, _Work] = {}
        self._silent_since: float | None = None
        self.findings = 0

    @property
    def look_seconds(self) -> float:
        """How often to look: so that loss of a broker shows within 15 s."""
        times = [self._settings.stuck_seconds, self._settings.broker_timeout_seconds]
        times += [self._settings.processing_timeout_seconds or self._settings.slow_seconds]
        return max(0.05, min(5.0, min(times) / 6))

    def unmoved(self, positions: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Return the partitions that stand where they were: those whose leaders to ask.

        Where something is read, its leader answers: no question is sent while it moves.
        """
        seen = self._places
        return [tp for tp, at in positions.items() if tp not in seen or seen[tp].position == at]

    def judge(
        self,
        now: float,
        partitions: Mapping[TopicPartition, PartitionSample],
        actors: Mapping[str, ActorSample] | None = None,
        *,
        cluster_answers: bool = True,
    ) -> list[Verdict]:
        """Take what was seen, and return what is wrong.

        Args:
            now: By the monotonic clock.
            partitions: All that are assigned.
            actors: All actors, by name.
            cluster_answers: Whether the cluster answered at all, where nothing is assigned.
        """
        for tp in self._places.keys() - partitions.keys():
            del self._places[tp]
        verdicts: list[Verdict] = []
        for tp, sample in partitions.items():
            found = self._look_at(now, tp, sample)
            if found is not None:
                verdicts.append(found)
        self._note_silence(now, partitions, cluster_answers)
        gone = self._gone(now)
        if gone is not None:
            verdicts.append(gone)
        return verdicts + self._slow_ones(now, actors or {})

    # --- partitions -----------------------------------------------------------------

    def _look_at(self, now: float, tp: TopicPartition, sample: PartitionSample) -> Stuck | None:
        place = self._places.get(tp)
        if place is None:
            place = self._places[tp] = _Place(sample.position)
        elif place.position != sample.position:
            place = self._places[tp] = _Place(sample.position)
            return None
        if not sample.answers:
            place.behind_since = None
            if place.silent_since is None:
                place.silent_since = now
            return None
        place.silent_since = None
        if sample.blocked or sample.end is None or sample.end <= sample.position:
            place.behind_since, place.sought = None, False
            return None
        if place.behind_since is None:
            place.behind_since = now
        return self._judge_place(now, tp, place, sample.end)

    def _judge_place(self, now: float, tp: TopicPartition, place: _Place, end: int) -> Stuck | None:
        assert place.behind_since is not None
        seconds = now - place.behind_since
        if seconds < self._settings.stuck_seconds:
            return None
        self.findings += 1
        found = Stuck(tp, place.position, end, seconds, place.sought)
        # Once more as long for what was sought anew to move.
        place.sought, place.behind_since = True, now
        return found

    @property
    def stuck(self) -> list[TopicPartition]:
        """The partitions that were found stuck and have not moved since."""
        return sorted(tp for tp, place in dict(self._places).items() if place.sought)

    # --- the broker -----------------------------------------------------------------

    def _note_silence(
        self, now: float, partitions: Mapping[TopicPartition, PartitionSample], answers: bool
    ) -> None:
        silent = [place.silent_since for place in self._places.values()]
        since = [each for each in silent if each is not None]
        if since:
            # Over a restart of the domain, in which nothing is assigned, it goes on.
            self._silent_since = min([*since, self._silent_since or now])
        elif not partitions and not answers:
            self.note_silence(now)
        else:
            self._silent_since = None

    def note_silence(self, now: float) -> None:
        """Take note that the cluster did not answer somebody."""
        if self._silent_since is None:
            self._silent_since = now

    def silent_for(self, now: float) -> float | None:
        """Return how long some leader, or the whole cluster, has not answered."""
        since = self._silent_since
        return None if since is None else now - since

    def has_waited_long_enough(self, now: float) -> bool:
        """Whether `broker_timeout_seconds` have passed without an answer."""
        return (self.silent_for(now) or 0.0) >= self._settings.broker_timeout_seconds

    def _gone(self, now: float) -> BrokerGone | None:
        if not self.has_waited_long_enough(now):
            return None
        silent = (tp for tp, place in self._places.items() if place.silent_since is not None)
        return BrokerGone(tuple(sorted(silent)), self.silent_for(now) or 0.0)

    # --- actors ---------------------------------------------------------------------

    def _slow_ones(self, now: float, actors: Mapping[str, ActorSample]) -> list[Verdict]:
        for name in self._work.keys() - actors.keys():
            del self._work[name]
        found: list[Verdict] = []
        for name, sample in actors.items():
            work = self._work.get(name)
            if work is None or not sample.busy or work.mark != sample.mark:
                self._work[name] = _Work(sample.mark, now)
                continue
            slow = self._judge_work(now, name, work, sample.waiting)
            if slow is not None:
                found.append(slow)
        return found

    def _judge_work(self, now: float, name: str, work: _Work, waiting: int) -> Slow | None:
        seconds = now - work.since
        most = self._settings.processing_timeout_seconds
        hopeless = most is not None and seconds >= most
        due = (work.since if work.told_at is None else work.told_at) + self._settings.slow_seconds
        if now < due and not hopeless:
            return None
        work.told_at = now
        return Slow(name, seconds, waiting, hopeless)

    @property
    def slow(self) -> list[str]:
        """The actors that were named and have not got on since."""
        return sorted(name for name, work in dict(self._work).items() if work.told_at is not None)
