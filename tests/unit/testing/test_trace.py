from __future__ import annotations

import json
from collections import defaultdict

from sabot.testing.report import Disorder
from sabot.testing.trace import Trace, Traces, disorder, read_json
from sabot.types import Record


def record(value: bytes | None, offset: int = 0, partition: int = 0) -> Record:
    return Record(value, None, (), "out", partition, offset, None)


def left(*numbers: tuple[int, int], partition: int = 0) -> list[tuple[Trace, Record]]:
    """Rows of one key, by id and number."""
    return [
        (Trace(number, "k", seq), record(None, offset, partition))
        for offset, (number, seq) in enumerate(numbers)
    ]


def test_ids_are_unique_and_numbers_count_up_within_a_key_across_calls() -> None:
    traces = Traces(seed=3)
    made = [*traces.make(50, keys=5), *traces.make(50, keys=5)]
    rows = [json.loads(value) for _, value in made]
    assert [row["id"] for row in rows] == list(range(100))
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        numbers[row["key"]].append(row["seq"])
    assert all(seqs == list(range(len(seqs))) for seqs in numbers.values())
    assert [key for key, _ in made] == [row["key"].encode() for row in rows]


def test_the_same_seed_makes_the_same_records() -> None:
    assert list(Traces(seed=3).make(20, 5)) == list(Traces(seed=3).make(20, 5))
    assert list(Traces(seed=3).make(20, 5)) != list(Traces(seed=4).make(20, 5))


def test_a_trace_is_read_back_and_a_tombstone_has_none() -> None:
    ((_, value),) = Traces(seed=0).make(1, 1, lambda trace: {"amount": trace.id})
    assert read_json(record(value)) == Trace(0, "k0", 0)
    assert json.loads(value)["amount"] == 0
    assert read_json(record(None)) is None


def test_a_repeat_is_no_disorder_and_a_row_that_was_overtaken_is() -> None:
    assert disorder(left((0, 0), (1, 1), (0, 0), (1, 1), (2, 2))) == []
    assert disorder(left((0, 0), (2, 2), (1, 1))) == [Disorder("k", 1, 2, "out[0]@2")]


def test_order_is_kept_within_a_partition_only() -> None:
    rows = [*left((5, 5)), *left((1, 1), partition=1)]
    assert disorder(rows) == []
