from __future__ import annotations

from collections import deque

from sabot.runtime.faults import RowFault
from sabot.runtime.policy import Stage
from sabot.runtime.progress import Held, Progress, Start, only_rows, without_rows
from sabot.types import RawBatch, TopicPartition
from tests.records import raw_of, rows

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)


def offsets(raw: RawBatch) -> list[tuple[int, int]]:
    return [(record.partition(), record.offset()) for record in raw.records]


def held(raw: RawBatch, number: int) -> Held:
    fault = RowFault(raw, number, Stage.PROCESS, "map-1", ValueError())
    return Held(fault, deque([only_rows(raw, P0, fault.offset)]), 1, 0.0, 0.0)


def some(partition: int, first: int, count: int) -> RawBatch:
    return raw_of(rows([{"n": n} for n in range(count)], partition=partition, first=first))


def test_a_partition_begins_where_its_commit_says() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(7, 3))
    assert progress.positions == {P0: (3, 7)}
    assert progress.ahead == {}


def test_a_branch_that_was_ahead_begins_there_and_skips_up_to_it() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(7, 3, {"a": 9, "b": 12}))
    assert progress.positions == {P0: (3, 9)}
    raw = some(0, 7, 4)
    assert offsets(progress.remaining(raw)) == [(0, 9), (0, 10)]
    assert progress.ahead == {}


def test_being_ahead_lasts_over_several_batches() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(0, 1, {"a": 3}))
    first = progress.remaining(some(0, 0, 2))
    assert offsets(first) == []
    assert first.next_offsets == {P0: 2}
    assert offsets(progress.remaining(some(0, 2, 2))) == [(0, 3)]


def test_an_ahead_below_the_commit_means_nothing() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(7, 3, {"a": 2}))
    assert progress.positions == {P0: (3, 7)}
    raw = some(0, 7, 1)
    assert progress.remaining(raw) is raw


def test_another_branchs_ahead_is_not_ones_own() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(7, 3, {"b": 12}))
    raw = some(0, 7, 2)
    assert progress.remaining(raw) is raw


def test_a_position_never_goes_back() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(0, 1))
    progress.advance(P0, 1, 5)
    progress.advance(P0, 1, 3)
    assert progress.positions == {P0: (1, 5)}


def test_what_was_in_hand_under_an_older_assignment_moves_nothing() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(2, 4))
    progress.advance(P0, 3, 90)
    assert progress.positions == {P0: (4, 2)}


def test_a_new_assignment_may_begin_further_back() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(50, 1))
    progress.assign(P0, Start(20, 2))
    assert progress.positions == {P0: (2, 20)}


def test_a_released_partition_is_forgotten_with_all_that_waits() -> None:
    progress = Progress("a")
    progress.assign(P0, Start(0, 1, {"a": 5}))
    progress.held[P0] = held(some(0, 0, 3), 1)
    progress.release(P0)
    assert (progress.positions, progress.ahead, progress.held) == ({}, {}, {})


def test_a_partition_that_is_assigned_again_has_nothing_waiting() -> None:
    progress = Progress("a")
    progress.held[P0] = held(some(0, 0, 3), 1)
    progress.assign(P0, Start(0, 2))
    assert progress.held == {}


def test_records_of_a_held_partition_queue_behind_those_that_wait() -> None:
    progress = Progress("a")
    progress.held[P0] = held(some(0, 0, 3), 1)
    mixed = raw_of(rows([{}, {}], first=3), rows([{}], partition=1))
    left = progress.remaining(mixed)
    assert offsets(left) == [(1, 0)]
    assert left.next_offsets == {P1: 1}
    assert [offsets(raw) for raw in progress.held[P0].waiting] == [
        [(0, 1), (0, 2)],
        [(0, 3), (0, 4)],
    ]
    assert progress.held[P0].waiting[-1].next_offsets == {P0: 5}


def test_without_anything_special_a_batch_stays_as_it_is() -> None:
    progress = Progress("a")
    progress.held[P1] = held(some(0, 0, 3), 1)
    raw = some(0, 0, 2)
    assert progress.remaining(raw) is raw


def test_only_rows_keeps_the_position_and_the_assignment() -> None:
    raw = raw_of(rows([{}, {}, {}]), rows([{}], partition=1), epochs={0: 4}, beyond={P0: 9})
    part = only_rows(raw, P0, 1)
    assert offsets(part) == [(0, 1), (0, 2)]
    assert (part.next_offsets, part.epochs) == ({P0: 9}, {P0: 4})
    assert part.values == [record.value() for record in part.records]


def test_without_rows_leaves_out_a_span_or_a_whole_partition() -> None:
    raw = raw_of(rows([{}, {}, {}]), rows([{}, {}], partition=1))
    part = without_rows(raw, {P0: (0, 2), P1: (0, None)})
    assert offsets(part) == [(0, 2)]
    assert (part.next_offsets, part.epochs) == ({P0: 3}, {P0: 1})
