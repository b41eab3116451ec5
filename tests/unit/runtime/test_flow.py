from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from sabot.api.stream import OutputStream, Stream
from sabot.errors import ProcessingError
from sabot.plan.outputs import collecting
from sabot.runtime.branch import Branch
from sabot.runtime.build import build_flow
from sabot.runtime.faults import RowFault, TransientFaultError
from sabot.runtime.flow import Flow
from sabot.runtime.lettered import Lettered
from sabot.runtime.policy import ErrorPolicy, Stage
from sabot.runtime.progress import Start
from sabot.types import RawBatch, TopicPartition
from tests.records import ReadRecord, raw_of, rows

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)


@dataclass
class World:
    """What a flow did to it."""

    skips: list[str] = field(default_factory=list)
    letters: list[tuple[str, int]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    gone: set[TopicPartition] = field(default_factory=set)

    def skipped(self, fault: RowFault, policy: ErrorPolicy) -> None:
        self.skips.append(fault.where)

    def dead_letter(self, fault: RowFault, policy: ErrorPolicy, attempt: int) -> None:
        self.letters.append((fault.where, attempt))

    def sent(self, branch: Branch, parcel: Any, rows: int) -> None:
        self.counts.append(rows)

    def may_finish(self, tp: TopicPartition, epoch: int) -> bool:
        return tp not in self.gone


class Job:
    """A flow over topic ``in`` whose ends append to lists."""

    def __init__(
        self, build: Callable[[Stream], Sequence[tuple[Stream, list[Any]]]], **options: Any
    ) -> None:
        self.world = World()
        with collecting():
            stream = Stream.from_kafka("localhost:1", "in", "group", **options)
            ends = [self._end(made, into) for made, into in build(stream)]
        self.flow: Flow = build_flow([end.output.node for end in ends], self.world, _no_writer)
        for branch in self.flow.branches:
            for tp in (P0, P1):
                branch.progress.assign(tp, Start(0, 1))

    @staticmethod
    def _end(stream: Stream, into: list[Any] | Callable[[dict[str, Any]], Any]) -> OutputStream:
        return stream.for_each(into.append if isinstance(into, list) else into)

    def give(self, raw: RawBatch, stale: Sequence[TopicPartition] = ()) -> None:
        self.flow.receive(raw, "in", stale)

    def position(self, tp: TopicPartition = P0, branch: int = 0) -> int:
        return self.flow.branches[branch].progress.positions[tp][1]

    def retry(self) -> float | None:
        """Try again everything that waits, at the moment the last of it is due."""
        waiting = [held for b in self.flow.branches for held in b.progress.held.values()]
        return self.flow.retry_due(max((held.due for held in waiting), default=0.0))


def _no_writer(_node: object) -> Any:
    raise AssertionError("these tests write nowhere")


def numbers(*values: int, partition: int = 0, first: int = 0) -> list[ReadRecord]:
    return rows([{"n": value} for value in values], partition=partition, first=first)


def failing(*bad: int, by: type[Exception] = ValueError) -> Callable[[Any], Any]:
    def function(batch: Any) -> Any:
        for number in batch["n"].to_pylist():
            if number in bad:
                raise by(number)
        return batch

    return function


def failing_while_in(bad: set[int]) -> Callable[[Any], Any]:
    """Return a step's function that asks at each call what is bad."""

    def function(batch: Any) -> Any:
        return failing(*bad)(batch)

    return function


def ns(rows_: Sequence[dict[str, Any]]) -> list[int]:
    return [row["n"] for row in rows_]


# --- sharing ----------------------------------------------------------------------------


def test_what_branches_share_is_evaluated_once() -> None:
    calls: list[int] = []
    a: list[Any] = []
    b: list[Any] = []

    def count(batch: Any) -> Any:
        calls.append(batch.num_rows)
        return batch

    def build(stream: Stream) -> Any:
        shared = stream.map(count)
        return [(shared.filter(lambda r: r["n"] > 1), a), (shared, b)]

    job = Job(build)
    job.give(raw_of(numbers(1, 2, 3)))
    assert (calls, ns(a), ns(b)) == ([3], [2, 3], [1, 2, 3])
    assert job.position(branch=0) == job.position(branch=1) == 3


def test_a_branch_that_has_finished_a_batch_does_not_run_again_for_it() -> None:
    a: list[Any] = []
    b: list[Any] = []
    calls: list[int] = []
    broken = [True]

    def shared_step(batch: Any) -> Any:
        calls.append(batch.num_rows)
        return batch

    def second(batch: Any) -> Any:
        if broken[0]:
            raise ConnectionError("down")
        return batch

    def build(stream: Stream) -> Any:
        shared = stream.map(shared_step)
        return [(shared, a), (shared.map(second), b)]

    job = Job(build)
    raw = raw_of(numbers(1, 2))
    for _ in range(3):
        with pytest.raises(TransientFaultError):
            job.give(raw)
    assert (ns(a), ns(b), calls) == ([1, 2], [], [2])
    assert (job.position(branch=0), job.position(branch=1)) == (2, 0)
    broken[0] = False
    job.give(raw)
    assert (ns(a), ns(b), calls) == ([1, 2], [1, 2], [2])
    assert job.position(branch=1) == 2


def test_a_finished_branch_stays_finished_when_a_partition_goes_meanwhile() -> None:
    a: list[Any] = []
    b: list[Any] = []
    broken = [True]

    def second(batch: Any) -> Any:
        if broken[0]:
            raise ConnectionError("down")
        return batch

    job = Job(lambda s: [(s, a), (s.map(second), b)])
    raw = raw_of(numbers(1, 2), numbers(10, partition=1))
    for stale in ([], [P1], [P1]):
        with pytest.raises(TransientFaultError):
            job.give(raw, stale)
    broken[0] = False
    job.give(raw, [P1])
    assert (ns(a), ns(b)) == ([1, 2, 10], [1, 2])
    assert job.position(P1, branch=1) == 0


def test_rows_that_wait_are_not_doubled_when_others_of_their_batch_are_tried_again() -> None:
    done: list[Any] = []
    bad, broken = {1}, [True]

    def step(batch: Any) -> Any:
        values = batch["n"].to_pylist()
        if broken[0] and 11 in values:
            raise ConnectionError("down")
        return failing(*bad)(batch)

    job = Job(lambda s: [(s.map(step), done)], error_handling_policy="retry")
    job.give(raw_of(numbers(0, 1)))
    assert job.flow.held_partitions() == {P0}
    raw = raw_of(numbers(2, first=2), numbers(11, partition=1))
    for _ in range(3):
        with pytest.raises(TransientFaultError):
            job.give(raw)
    broken[0] = False
    job.give(raw)
    bad.clear()
    job.retry()
    assert ns(done) == [0, 11, 1, 2]
    assert (job.position(P0), job.position(P1)) == (3, 1)


def test_what_a_branch_was_ahead_of_is_skipped_at_every_attempt() -> None:
    done: list[Any] = []
    broken = [True]

    def step(batch: Any) -> Any:
        if broken[0]:
            raise ConnectionError("down")
        return batch

    job = Job(lambda s: [(s.map(step), done)])
    job.flow.branches[0].progress.assign(P0, Start(0, 1, {"for_each-1": 2}))
    raw = raw_of(numbers(0, 1, 2))
    with pytest.raises(TransientFaultError):
        job.give(raw)
    broken[0] = False
    job.give(raw)
    assert ns(done) == [2]


def test_a_bad_record_is_dead_lettered_once_however_often_its_batch_is_tried() -> None:
    broken = [True]

    def step(batch: Any) -> Any:
        if broken[0]:
            raise ConnectionError("down")
        return batch

    job = Job(
        lambda s: [(s.map(step), [])],
        error_handling_policy="dead_letter",
        dead_letter_topic="dlq",
    )
    raw = raw_of(rows([{"n": 1}, b"no json"]))
    for _ in range(2):
        with pytest.raises(TransientFaultError):
            job.give(raw)
    broken[0] = False
    job.give(raw)
    assert job.world.letters == [("in[0]@1", 1)]


def test_branches_that_share_a_failing_step_report_its_record_once() -> None:
    def build(stream: Stream) -> Any:
        shared = stream.map(failing(2))
        return [(shared, []), (shared, [])]

    job = Job(build, error_handling_policy="skip")
    job.give(raw_of(numbers(1, 2, 3)))
    assert job.world.skips == ["in[0]@1"]


# --- verdicts ---------------------------------------------------------------------------


def test_skip_lets_everything_else_pass() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s.map(failing(2)), done)], error_handling_policy="skip")
    job.give(raw_of(numbers(1, 2, 3)))
    assert (ns(done), job.world.skips, job.position()) == ([1, 3], ["in[0]@1"], 3)


def test_dead_letter_lets_everything_else_pass() -> None:
    done: list[Any] = []
    job = Job(
        lambda s: [(s.map(failing(2)), done)],
        error_handling_policy="dead_letter",
        dead_letter_topic="dlq",
    )
    job.give(raw_of(numbers(1, 2, 3)))
    assert (ns(done), job.world.letters, job.position()) == ([1, 3], [("in[0]@1", 1)], 3)


def test_fail_stops_at_the_record_and_other_partitions_are_finished() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s.map(failing(2)), done)])
    with pytest.raises(ProcessingError, match=r"in\[0\]@1") as caught:
        job.give(raw_of(numbers(1, 2, 3), numbers(10, 11, partition=1)))
    assert caught.value.fatal
    assert ns(done) == [1, 10, 11]
    assert (job.position(P0), job.position(P1)) == (1, 2)


def test_a_branch_that_fails_does_not_hold_up_its_sibling() -> None:
    a: list[Any] = []
    b: list[Any] = []
    job = Job(lambda s: [(s.map(failing(2)), a), (s, b)])
    with pytest.raises(ProcessingError):
        job.give(raw_of(numbers(1, 2, 3)))
    assert (ns(a), ns(b)) == ([1], [1, 2, 3])
    assert (job.position(branch=0), job.position(branch=1)) == (1, 3)


def test_the_first_of_two_failures_in_a_partition_is_the_one_to_stop_at() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s.map(failing(3)).map(failing(1)), done)])
    with pytest.raises(ProcessingError, match=r"map-2.*in\[0\]@1"):
        job.give(raw_of(numbers(0, 1, 2, 3)))
    assert (ns(done), job.position()) == ([0], 1)


def test_without_a_policy_what_cannot_be_decoded_is_skipped() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s, done)])
    job.give(raw_of(rows([{"n": 1}, b"\xff", b"[1]", {"n": 2}])))
    assert (ns(done), job.world.skips, job.position()) == ([1, 2], ["in[0]@1", "in[0]@2"], 4)


def test_a_policy_of_fail_stops_at_what_cannot_be_decoded() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s, done)], error_handling_policy="fail")
    with pytest.raises(ProcessingError, match=r"in\[0\]@1.*DecodeError"):
        job.give(raw_of(rows([{"n": 1}, b"\xff", {"n": 2}])))
    assert (ns(done), job.position()) == ([1], 1)


def test_retry_does_not_try_bytes_again() -> None:
    job = Job(
        lambda s: [(s, [])],
        error_handling_policy="retry",
        dead_letter_topic="dlq",
    )
    job.give(raw_of(rows([b"\xff"])))
    assert job.world.letters == [("in[0]@0", 1)]
    assert job.position() == 1


def test_a_batch_without_good_rows_moves_the_position() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s.filter(lambda b: b["n"] > 9), done)])
    job.give(raw_of(rows([b"x", b"y"])))
    job.give(raw_of(numbers(1, 2, first=2)))
    assert (done, job.position()) == ([], 4)


def test_positions_count_what_lies_behind_the_last_record() -> None:
    job = Job(lambda s: [(s, [])])
    job.give(raw_of(numbers(1), beyond={P0: 7, P1: 3}))
    assert (job.position(P0), job.position(P1)) == (7, 3)


# --- holding and trying again -----------------------------------------------------------


def test_rows_behind_a_record_that_is_retried_wait_in_order() -> None:
    done: list[Any] = []
    bad = {2}
    job = Job(lambda s: [(s.map(failing_while_in(bad)), done)], error_handling_policy="retry")
    job.give(raw_of(numbers(1, 2, 3), numbers(10, partition=1)))
    assert (ns(done), job.position(P0), job.position(P1)) == ([1, 10], 1, 1)
    assert job.flow.held_partitions() == {P0}
    job.give(raw_of(numbers(4, first=3), numbers(11, partition=1, first=1)))
    assert (ns(done), job.position(P0), job.position(P1)) == ([1, 10, 11], 1, 2)
    bad.clear()
    assert job.retry() is None
    assert (ns(done), job.position(P0)) == ([1, 10, 11, 2, 3, 4], 4)
    assert job.flow.held_partitions() == frozenset()


def test_nothing_is_tried_before_it_is_due() -> None:
    calls: list[int] = []

    def step(batch: Any) -> Any:
        calls.append(batch.num_rows)
        raise ValueError

    job = Job(lambda s: [(s.map(step), [])], error_handling_policy="retry")
    job.give(raw_of(numbers(1)))
    tried = len(calls)
    wait = job.flow.retry_due(0.0)
    assert wait is not None
    assert wait > 0
    assert len(calls) == tried


@pytest.mark.parametrize("attempts", [1, 3])
def test_after_the_last_attempt_the_record_is_dead_lettered_and_the_rest_goes_on(
    attempts: int,
) -> None:
    done: list[Any] = []
    tries: list[int] = []

    def step(batch: Any) -> Any:
        if batch["n"].to_pylist() == [2]:
            tries.append(1)
        return failing(2)(batch)

    job = Job(
        lambda s: [(s.map(step), done)],
        error_handling_policy="retry",
        max_retry_attempts=attempts,
        dead_letter_topic="dlq",
    )
    job.give(raw_of(numbers(1, 2, 3)))
    for _ in range(attempts):
        assert job.flow.held_partitions() == {P0}
        job.retry()
    assert job.flow.held_partitions() == frozenset()
    assert (ns(done), job.position()) == ([1, 3], 3)
    assert job.world.letters == [("in[0]@1", attempts + 1)]
    assert len(tries) == attempts + 1


def test_after_the_last_attempt_without_a_dead_letter_topic_the_pipeline_fails() -> None:
    done: list[Any] = []
    job = Job(
        lambda s: [(s.map(failing(2)), done)],
        error_handling_policy="retry",
        max_retry_attempts=1,
    )
    job.give(raw_of(numbers(1, 2, 3)))
    with pytest.raises(ProcessingError) as caught:
        job.retry()
    assert caught.value.fatal
    assert (ns(done), job.position()) == ([1], 1)


def test_a_second_bad_record_behind_the_first_has_attempts_of_its_own() -> None:
    done: list[Any] = []
    job = Job(
        lambda s: [(s.map(failing(2, 4)), done)],
        error_handling_policy="retry",
        max_retry_attempts=2,
        dead_letter_topic="dlq",
    )
    job.give(raw_of(numbers(1, 2, 3, 4, 5)))
    while job.flow.held_partitions():
        job.retry()
    assert (ns(done), job.position()) == ([1, 3, 5], 5)
    assert job.world.letters == [("in[0]@1", 3), ("in[0]@3", 3)]


def test_a_step_that_branches_share_dead_letters_a_record_once_after_their_retries() -> None:
    left: list[Any] = []
    right: list[Any] = []

    def build(stream: Stream) -> Any:
        shared = stream.map(failing(2), name="shared")
        return [
            (shared.map(failing(3), name="step"), left),
            (shared.map(failing(3), name="step"), right),
        ]

    job = Job(build, error_handling_policy="retry", max_retry_attempts=2, dead_letter_topic="dlq")
    for first in (0, 3):
        job.world.letters.clear()
        job.give(raw_of(numbers(1, 2, 3, first=first)))
        while job.flow.held_partitions():
            job.retry()
        # What fails in a branch's own step gets a letter there, whatever its name.
        shared, own = f"in[0]@{first + 1}", f"in[0]@{first + 2}"
        assert job.world.letters == [(shared, 3), (own, 3), (own, 3)]
    assert ns(left) == ns(right) == [1, 1]
    assert job.position(branch=0) == job.position(branch=1) == 6


def test_a_partition_that_comes_back_gets_its_dead_letter_again() -> None:
    lettered = Lettered()
    place = object()

    def fault(epoch: int) -> RowFault:
        raw = raw_of(numbers(1), epochs={0: epoch})
        return RowFault(raw, 0, Stage.PROCESS, "step", ValueError())

    assert lettered.is_first(fault(1), place)
    assert not lettered.is_first(fault(1), place)
    assert lettered.is_first(fault(1), object())
    assert lettered.is_first(fault(2), place)
    lettered.forget_but({P0})
    assert not lettered.is_first(fault(1), place)
    lettered.forget_but({P1})
    assert lettered.is_first(fault(1), place)


def test_a_cause_that_may_pass_holds_a_for_each_at_its_record() -> None:
    done: list[int] = []
    broken = [True]

    def write(row: dict[str, Any]) -> None:
        if row["n"] == 2 and broken[0]:
            raise TimeoutError
        done.append(row["n"])

    job = Job(lambda s: [(s, write)])
    job.give(raw_of(numbers(1, 2, 3), numbers(10, partition=1)))
    assert (done, job.position(P0), job.position(P1)) == ([1, 10], 1, 1)
    job.retry()
    assert done == [1, 10]
    broken[0] = False
    job.retry()
    assert (done, job.position(P0)) == ([1, 10, 2, 3], 3)


def test_a_cause_that_does_not_pass_ends_the_pipeline_at_its_record() -> None:
    def write(row: dict[str, Any]) -> None:
        raise TimeoutError

    job = Job(lambda s: [(s, write)])
    job.give(raw_of(numbers(1)))
    with pytest.raises(ProcessingError) as caught:
        job.flow.retry_due(math.inf)
    assert caught.value.fatal
    assert job.position() == 0


def test_for_each_is_called_once_for_each_row_in_order() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s, done)])
    job.give(raw_of(numbers(*range(50))))
    job.give(raw_of(numbers(*range(50, 70), first=50)))
    assert ns(done) == list(range(70))
    assert job.world.counts == [50, 20]


def test_for_each_that_fails_for_a_row_is_not_called_again_for_those_before() -> None:
    done: list[int] = []

    def write(row: dict[str, Any]) -> None:
        done.append(row["n"])
        if row["n"] == 2:
            raise ValueError

    job = Job(lambda s: [(s, write)], error_handling_policy="skip")
    job.give(raw_of(numbers(1, 2, 3)))
    assert (done, job.world.skips) == ([1, 2, 3], ["in[0]@1"])


def test_a_row_python_has_no_object_for_fails_alone_in_for_each() -> None:
    done: list[dict[str, Any]] = []
    far = pa.array([0, 2**62, 60], pa.timestamp("s"))
    stamped = Job(
        lambda s: [(s.with_columns(at=lambda b: far), done)], error_handling_policy="skip"
    )
    stamped.give(raw_of(numbers(1, 2, 3)))
    assert (ns(done), stamped.world.skips) == ([1, 3], ["in[0]@1"])


def test_a_partition_that_goes_takes_what_waits_with_it() -> None:
    done: list[Any] = []
    bad = {1}
    job = Job(lambda s: [(s.map(failing_while_in(bad)), done)], error_handling_policy="retry")
    job.give(raw_of(numbers(1, 2)))
    progress = job.flow.branches[0].progress
    progress.release(P0)
    bad.clear()
    assert job.retry() is None
    assert (done, job.flow.held_partitions()) == ([], frozenset())


# --- assignments that have gone ---------------------------------------------------------


def test_stale_records_are_not_taken_up_and_move_nothing() -> None:
    calls: list[list[int]] = []
    done: list[Any] = []

    def step(batch: Any) -> Any:
        calls.append(batch["n"].to_pylist())
        return batch

    job = Job(lambda s: [(s.map(step), done)])
    job.give(raw_of(numbers(1, 2), numbers(10, partition=1)), [P0])
    assert (calls, ns(done)) == ([[10]], [10])
    assert (job.position(P0), job.position(P1)) == (0, 1)


def test_records_that_become_stale_in_hand_are_not_written() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s.map(lambda b: (job.world.gone.add(P0), b)[1]), done)])
    job.give(raw_of(numbers(1, 2), numbers(10, partition=1)))
    assert ns(done) == [10]


# --- union ------------------------------------------------------------------------------


def union_job(into: list[Any]) -> Job:
    with collecting():
        left = Stream.from_kafka("localhost:1", "in", "group")
        right = Stream.from_kafka("localhost:1", "other", "group")
        end = left.union(right.filter(lambda b: b["n"] > 1)).for_each(into.append)
    job = Job.__new__(Job)
    job.world = World()
    job.flow = build_flow([end.output.node], job.world, _no_writer)
    return job


def test_a_union_takes_the_records_of_each_topic_by_its_own_path() -> None:
    done: list[Any] = []
    job = union_job(done)
    job.give(raw_of(numbers(1)))
    other = raw_of(rows([{"n": 1}, {"n": 2}], topic="other"))
    job.flow.receive(other, "other")
    assert ns(done) == [1, 2]
    positions = job.flow.branches[0].progress.positions
    assert positions == {P0: (1, 1), TopicPartition("other", 0): (1, 2)}


def test_a_branch_is_not_moved_by_a_topic_it_does_not_read() -> None:
    with collecting():
        a = Stream.from_kafka("localhost:1", "in", "group").for_each(lambda row: None)
        b = Stream.from_kafka("localhost:1", "other", "group").for_each(lambda row: None)
    flow = build_flow([a.output.node, b.output.node], World(), _no_writer)
    flow.receive(raw_of(numbers(1)), "in")
    assert [list(branch.progress.positions) for branch in flow.branches] == [[P0], []]


def test_branches_have_names_of_their_own() -> None:
    job = Job(lambda s: [(s, []), (s, []), (s.filter(lambda b: b["n"] > 1), [])])
    assert [branch.progress.name for branch in job.flow.branches] == [
        "for_each-1",
        "for_each-1#2",
        "for_each-1#3",
    ]


def test_a_topic_of_empty_objects_passes_through() -> None:
    done: list[Any] = []
    calls: list[int] = []

    def step(batch: Any) -> Any:
        calls.append(batch.num_rows)
        return batch

    job = Job(lambda s: [(s.map(step), done)])
    job.give(raw_of(rows([{}, {}, {}])))
    assert (calls, job.position()) == ([3], 3)
    assert done == [{}, {}, {}]


def test_a_minute_without_a_single_good_record_ends_what_skips() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s, done)])
    for _ in range(99):
        job.flow._judge._breaker.failed("source", time.monotonic() - 61)
    with pytest.raises(ProcessingError, match=r"taken no record for a minute.*in\[0\]@0") as caught:
        job.give(raw_of([ReadRecord(b"{", P0)]))
    assert caught.value.fatal
    assert job.position() == 0


def test_one_good_record_among_them_keeps_skipping() -> None:
    done: list[Any] = []
    job = Job(lambda s: [(s, done)])
    for _ in range(99):
        job.flow._judge._breaker.failed("source", time.monotonic() - 61)
    job.give(raw_of([ReadRecord(b'{"n": 1}', P0), ReadRecord(b"{", P0, 1)]))
    assert ns(done) == [1]
    assert job.position() == 2


# --- taken up again ---------------------------------------------------------------------


def test_a_batch_taken_up_again_after_a_failure_goes_on_where_it_stopped() -> None:
    into: list[Any] = []
    other: list[Any] = []
    bad = {2}
    job = Job(lambda s: [(s.map(failing_while_in(bad)), into), (s, other)])
    raw = raw_of(numbers(1, 2, 3), numbers(10, 11, partition=1))
    with pytest.raises(ProcessingError):
        job.give(raw)
    assert (ns(into), ns(other)) == ([1, 10, 11], [1, 2, 3, 10, 11])
    with pytest.raises(ProcessingError):
        job.give(raw)
    bad.clear()
    job.give(raw)
    assert ns(into) == [1, 10, 11, 2, 3]
    assert ns(other) == [1, 2, 3, 10, 11]
    assert (job.position(), job.position(P1)) == (3, 2)
    job.give(raw_of(numbers(4, first=3)))
    assert ns(into)[-1] == 4
