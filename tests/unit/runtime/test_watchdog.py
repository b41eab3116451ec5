from __future__ import annotations

from collections.abc import Mapping

import pytest

from sabot.errors import BrokerGoneError, ProcessingTimeoutError, StuckPartitionError
from sabot.runtime.exit_codes import ExitCode, exit_code
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.watchdog import (
    ActorSample,
    BrokerGone,
    PartitionSample,
    Slow,
    Stuck,
    Verdict,
    Watchdog,
)
from sabot.testing import ManualClock
from sabot.types import TopicPartition

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
BEHIND = PartitionSample(position=5, end=9)
SILENT = PartitionSample(position=5, answers=False)


class Seen:
    """A watchdog that is shown the same every five seconds."""

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        self.dog = Watchdog(settings or WorkerSettings())
        self.clock = ManualClock()
        self.verdicts: list[tuple[float, Verdict]] = []

    def show(
        self,
        partitions: Mapping[TopicPartition, PartitionSample],
        actors: Mapping[str, ActorSample] | None = None,
        *,
        seconds: float = 5.0,
        answers: bool = True,
    ) -> list[Verdict]:
        """Show it for some time and return what it said meanwhile."""
        found: list[Verdict] = []
        for _ in range(max(1, round(seconds / 5))):
            now = self.clock.monotonic()
            found += self.dog.judge(now, partitions, actors, cluster_answers=answers)
            self.clock.advance(5.0)
        return found


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_partition_that_stands_behind_the_end_is_read_anew_and_then_given_up(seen: Seen) -> None:
    assert seen.show({P0: BEHIND}, seconds=30) == []
    assert seen.show({P0: BEHIND}) == [Stuck(P0, 5, 9, 30.0, hopeless=False)]
    assert seen.dog.stuck == [P0]
    assert seen.show({P0: BEHIND}, seconds=25) == []
    (last,) = seen.show({P0: BEHIND})
    assert last == Stuck(P0, 5, 9, 30.0, hopeless=True)
    error = last.error()
    assert isinstance(error, StuckPartitionError)
    assert str(error).startswith("orders[0] stands at offset 5 of 9 for 30 s")
    assert exit_code(error) == ExitCode.BROKER
    assert seen.dog.findings == 2


def test_one_that_moves_after_it_was_read_anew_is_well_again(seen: Seen) -> None:
    assert seen.show({P0: BEHIND}, seconds=35)
    assert seen.show({P0: PartitionSample(position=6)}) == []
    assert seen.dog.stuck == []
    assert seen.show({P0: PartitionSample(position=6, end=9)}, seconds=30) == []
    (again,) = seen.show({P0: PartitionSample(position=6, end=9)})
    assert isinstance(again, Stuck)
    assert not again.hopeless


@pytest.mark.parametrize(
    "sample",
    [
        PartitionSample(position=9, end=9),
        PartitionSample(position=9, end=4),
        PartitionSample(position=5, end=None),
        PartitionSample(position=5, end=9, blocked=True),
    ],
    ids=["at the end", "behind a shorter log", "of an unknown end", "held back for an actor"],
)
def test_nothing_is_said_of_a_partition(seen: Seen, sample: PartitionSample) -> None:
    assert seen.show({P0: sample}, seconds=600) == []


def test_a_record_that_has_just_come_to_an_idle_partition_is_no_lag_of_an_hour(seen: Seen) -> None:
    seen.show({P0: PartitionSample(position=5, end=5)}, seconds=3600)
    assert seen.show({P0: PartitionSample(position=5, end=6)}) == []
    assert seen.show({P0: PartitionSample(position=6)}) == []


def test_the_time_a_leader_is_silent_does_not_count_against_its_partition(seen: Seen) -> None:
    seen.show({P0: BEHIND}, seconds=25)
    assert seen.show({P0: SILENT}, seconds=60) == []
    assert seen.show({P0: BEHIND}, seconds=30) == []
    assert seen.show({P0: BEHIND}) != []


def test_only_partitions_that_stand_are_asked_for(seen: Seen) -> None:
    seen.show({P0: BEHIND, P1: BEHIND})
    assert seen.dog.unmoved({P0: 5, P1: 6}) == [P0]


def test_a_silent_leader_ends_it_after_the_configured_time_though_others_answer(
    seen: Seen,
) -> None:
    seen.show({P0: BEHIND})
    both = {P0: SILENT, P1: PartitionSample(position=3, end=3)}
    assert seen.show(both, seconds=120) == []
    assert seen.dog.silent_for(seen.clock.monotonic()) == 120
    (gone,) = seen.show(both)
    assert gone == BrokerGone((P0,), 120.0)
    error = gone.error()
    assert isinstance(error, BrokerGoneError)
    assert not error.retriable
    assert exit_code(error) == ExitCode.BROKER


def test_a_leader_that_is_back_in_time_starts_the_clock_anew(seen: Seen) -> None:
    seen.show({P0: SILENT}, seconds=100)
    seen.show({P0: PartitionSample(position=5, end=5)})
    assert seen.dog.silent_for(seen.clock.monotonic()) is None
    assert seen.show({P0: SILENT}, seconds=100) == []


def test_the_clock_of_a_silent_cluster_runs_on_over_a_restart_of_the_domain(seen: Seen) -> None:
    seen.show({P0: BEHIND})
    seen.show({P0: SILENT}, seconds=60)
    assert seen.show({}, answers=False, seconds=60) == []
    (gone,) = seen.show({}, answers=False)
    assert isinstance(gone, BrokerGone)
    assert "the cluster did not answer for 120 s" in str(gone.error())


def test_a_worker_without_partitions_is_well_while_the_cluster_answers(seen: Seen) -> None:
    assert seen.show({}, seconds=600) == []
    assert seen.dog.silent_for(seen.clock.monotonic()) is None


def test_a_step_that_does_not_get_on_is_named_every_30_seconds_and_nothing_else(
    seen: Seen,
) -> None:
    hangs = {"agent": ActorSample(mark=1, busy=True, waiting=7)}
    assert seen.show({}, hangs, seconds=30) == []
    assert seen.show({}, hangs) == [Slow("agent", 30.0, 7, hopeless=False)]
    assert seen.dog.slow == ["agent"]
    assert seen.show({}, hangs, seconds=25) == []
    assert seen.show({}, hangs, seconds=3600)[0] == Slow("agent", 60.0, 7, hopeless=False)
    assert seen.show({}, {"agent": ActorSample(mark=2, busy=True)}) == []
    assert seen.dog.slow == []


@pytest.mark.parametrize("mark", [None, 1])
def test_a_step_that_gets_on_or_has_nothing_to_do_is_not_slow(seen: Seen, mark: object) -> None:
    for turn in range(100):
        sample = ActorSample(mark=mark or turn, busy=mark is None)
        assert seen.show({}, {"agent": sample}) == []


def test_a_step_ends_the_worker_only_after_its_processing_timeout() -> None:
    seen = Seen(WorkerSettings(processing_timeout_seconds=60, slow_seconds=600))
    hangs = {"agent": ActorSample(mark=1, busy=True)}
    assert seen.show({}, hangs, seconds=60) == []
    (verdict,) = seen.show({}, hangs)
    assert isinstance(verdict, Slow)
    assert verdict.hopeless
    error = verdict.error()
    assert isinstance(error, ProcessingTimeoutError)
    assert exit_code(error) == ExitCode.FAILED


def test_it_looks_so_often_that_a_lost_broker_shows_within_15_seconds() -> None:
    # A look, an answer that does not come within five seconds, and some to spare.
    assert Watchdog(WorkerSettings()).look_seconds + 5 < 15
    assert Watchdog(WorkerSettings(stuck_seconds=3)).look_seconds == 0.5
