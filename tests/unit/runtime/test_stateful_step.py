"""State is as of the branch's position, whatever a row or a later step does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from sabot.api.stream import Stream
from sabot.errors import FunctionResultError, PlanError, ProcessingError
from sabot.operators.stateful import StatefulOperator
from sabot.plan.outputs import collecting
from sabot.runtime.compile import compile_outputs
from sabot.types import RawBatch
from tests.kept import Kept
from tests.records import ReadRecord, raw_of
from tests.unit.runtime.test_flow import P0, P1, Job


def count(seen: int | None, row: dict[str, Any]) -> tuple[int | None, dict[str, Any] | None]:
    if row.get("boom"):
        raise ValueError("boom")
    if row.get("forget"):
        return None, None
    seen = (seen or 0) + row["n"]
    return seen, {"seen": seen, "late_boom": row.get("late_boom")}


def records(*documents: dict[str, Any], partition: int = 0, first: int = 0) -> list[ReadRecord]:
    import msgspec

    place = P0 if partition == 0 else P1
    return [
        ReadRecord(msgspec.json.encode(doc), place, first + at, b"k" if "k" not in doc else None)
        for at, doc in enumerate(documents)
    ]


class Counting(Job):
    def __init__(self, after: Callable[[Stream], Stream] = lambda s: s, **options: Any) -> None:
        self.out: list[Any] = []
        super().__init__(lambda s: [(after(s.stateful(count, store="seen")), self.out)], **options)
        (operator,) = self.flow.branches[0].stateful
        assert isinstance(operator, StatefulOperator)
        self.kept = {0: Kept(), 1: Kept()}
        for partition, kept in self.kept.items():
            operator.assign(partition, kept)

    @property
    def state(self) -> bytes | None:
        return self.kept[0].get(b"k")

    @property
    def seen(self) -> list[int]:
        return [row["seen"] for row in self.out]


def test_each_row_finds_the_state_the_row_before_it_left() -> None:
    job = Counting()
    job.give(raw_of(records({"n": 1}, {"n": 2})))
    job.give(raw_of(records({"n": 3}, first=2)))
    assert job.seen == [1, 3, 6]
    assert job.state == b"6"


def test_partitions_have_states_of_their_own() -> None:
    job = Counting()
    job.give(raw_of(records({"n": 1}), records({"n": 5}, partition=1)))
    assert (job.kept[0][b"k"], job.kept[1][b"k"]) == (b"1", b"5")


def test_a_row_python_has_no_object_for_fails_alone() -> None:
    out: list[Any] = []
    far = pa.array([0, 2**62, 60], pa.timestamp("s"))
    job = Job(
        lambda s: [(s.with_columns(at=lambda b: far).stateful(count, store="seen"), out)],
        error_handling_policy="skip",
    )
    (operator,) = job.flow.branches[0].stateful
    operator.assign(0, Kept())
    job.give(raw_of(records({"n": 1}, {"n": 2}, {"n": 4})))
    assert ([row["seen"] for row in out], job.world.skips) == ([1, 5], ["in[0]@1"])


def test_a_state_of_none_forgets_the_key() -> None:
    job = Counting()
    job.give(raw_of(records({"n": 1}, {"forget": True})))
    assert job.state is None
    assert job.seen == [1]


def test_a_row_that_fails_and_is_skipped_leaves_its_state_alone() -> None:
    job = Counting(error_handling_policy="skip")
    job.give(raw_of(records({"n": 1}, {"boom": 1}, {"n": 2})))
    assert job.seen == [1, 3]
    assert job.state == b"3"


def test_state_changed_in_place_by_a_call_that_raises_is_put_back() -> None:
    def fill(bag: Any, row: dict[str, Any]) -> Any:
        bag = bag or []
        bag.append(row["n"])
        if row["n"] == 2:
            raise ValueError("two")
        return bag, {"bag": list(bag)}

    out: list[Any] = []
    job = Job(lambda s: [(s.stateful(fill, store="bag"), out)], error_handling_policy="skip")
    operator = job.flow.branches[0].stateful[0]
    kept = Kept()
    operator.assign(0, kept)
    job.give(raw_of(records({"n": 1}, {"n": 2}, {"n": 3})))
    assert out[-1]["bag"] == [1, 3]
    assert kept[b"k"] == b"[1,3]"


def test_a_row_that_must_stop_the_pipeline_leaves_state_as_of_its_offset() -> None:
    job = Counting()
    with pytest.raises(ProcessingError, match=r"in\[0\]@1"):
        job.give(raw_of(records({"n": 1}, {"boom": 1}, {"n": 2})))
    assert job.position() == 1
    assert job.state == b"1"


def test_rows_held_behind_a_later_step_do_not_count_until_they_pass() -> None:
    failing = [True]

    def check(batch: Any) -> Any:
        if failing[0] and any(batch["late_boom"].to_pylist()):
            raise ValueError("not yet")
        return batch

    job = Counting(
        lambda s: s.map(check),
        error_handling_policy="retry",
        max_retry_attempts=3,
        retry_backoff_seconds=0.01,
    )
    job.give(raw_of(records({"n": 1}, {"n": 2, "late_boom": 1}, {"n": 4})))
    assert job.position() == 1
    assert job.state == b"1"
    job.retry()
    assert job.state == b"1"
    failing[0] = False
    job.retry()
    assert job.seen == [1, 3, 7]
    assert job.position() == 3
    assert job.state == b"7"


def test_a_batch_that_is_given_again_counts_once() -> None:
    broken = [True]

    def service(batch: Any) -> Any:
        if broken[0]:
            raise ConnectionError("down")
        return batch

    job = Counting(lambda s: s.map(service))
    raw: RawBatch = raw_of(records({"n": 1}, {"n": 2}))
    with pytest.raises(ProcessingError):
        job.give(raw)
    assert job.state is None
    broken[0] = False
    job.give(raw)
    assert job.seen == [1, 3]
    assert job.state == b"3"


def test_a_record_without_a_key_is_a_failed_record() -> None:
    job = Counting(error_handling_policy="skip")
    job.give(raw_of(records({"n": 1}, {"n": 2, "k": None})))
    assert job.seen == [1]
    assert job.world.skips == ["in[0]@1"]


def test_a_key_column_that_is_not_the_records_key_is_a_failed_record() -> None:
    out: list[Any] = []
    job = Job(
        lambda s: [(s.stateful(count, store="seen", key="who"), out)],
        error_handling_policy="skip",
    )
    job.flow.branches[0].stateful[0].assign(0, Kept())
    job.give(raw_of(records({"n": 1, "who": "k"}, {"n": 2, "who": "other"})))
    assert [row["seen"] for row in out] == [1]
    assert job.world.skips == ["in[0]@1"]


@pytest.mark.parametrize("result", [None, 7, (1, 2, 3), (1, "text"), (object(), None)])
def test_a_function_that_returns_something_else_stops_the_pipeline(result: Any) -> None:
    job = Job(
        lambda s: [(s.stateful(lambda _state, _row: result, store="x"), [])],
        error_handling_policy="skip",
    )
    job.flow.branches[0].stateful[0].assign(0, Kept())
    with pytest.raises(FunctionResultError):
        job.give(raw_of(records({"n": 1})))


def test_two_outputs_below_a_step_with_state_are_refused() -> None:
    with collecting():
        stream = Stream.from_kafka("localhost:1", "in", "g").stateful(count, store="seen")
        ends = [
            stream.for_each(print).output,
            stream.filter(lambda b: b["seen"] > 1).for_each(id).output,
        ]
    with pytest.raises(PlanError, match="feeds one output"):
        compile_outputs(ends)


def test_one_store_for_two_steps_is_refused() -> None:
    with collecting():
        stream = Stream.from_kafka("localhost:1", "in", "g")
        ends = [
            stream.stateful(count, store="seen").for_each(print).output,
            stream.stateful(count, store="seen").for_each(id).output,
        ]
    with pytest.raises(PlanError, match="store of its own"):
        compile_outputs(ends)


def test_state_over_two_topics_is_refused() -> None:
    with collecting():
        one = Stream.from_kafka("localhost:1", "in", "g")
        two = Stream.from_kafka("localhost:1", "other", "g")
        end = one.union(two).stateful(count, store="seen").for_each(print).output
    with pytest.raises(PlanError, match="must read one topic"):
        compile_outputs([end])


def test_state_of_a_source_that_is_committed_by_hand_is_refused() -> None:
    with collecting():
        rows = Stream.from_kafka("localhost:1", "in", "g", enable_auto_commit=False)
        end = rows.stateful(count, store="seen").for_each(print).output
    with pytest.raises(PlanError, match="enable_auto_commit=False"):
        compile_outputs([end])


def test_a_store_needs_a_name_that_can_be_part_of_a_topics() -> None:
    with collecting(), pytest.raises(PlanError, match="store must be a name"):
        Stream.from_kafka("localhost:1", "in", "g").stateful(count, store="a b")
