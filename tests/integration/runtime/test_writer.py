"""Keys, timestamps and bytes on the wire: rule 10, on a real broker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

ROWS = 24


class Wire:
    """A source of rows in odd spelling, each with its own key and timestamp."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(kafka.unique("in"), 1)
        self.sink = kafka.create_topic(kafka.unique("out"), 1)
        start = int(time.time() * 1000) - 100_000
        # Amounts go down as offsets go up, so that a sort turns everything round.
        self.values = [
            b'{ "n":%d,\t"amount": %d.50, "at": "2024-01-01T00:00:00Z" }' % (n, ROWS - n)
            for n in range(ROWS)
        ]
        self.keys = [None if n == 3 else f"key-{n}".encode() for n in range(ROWS)]
        self.stamps = [start + 17 * n for n in range(ROWS)]
        kafka.produce(self.source, self.values, keys=self.keys, timestamps=self.stamps)

    def through(self, build: Callable[[Stream], Stream], rows: int, **sink: Any) -> list[Any]:
        """Send the rows through some steps and return the records they become."""

        def define(app: App) -> None:
            build(app.stream(self.source, **FAST)).to_kafka(app.broker, self.sink, **sink)

        with hosted(define, kafka=self.kafka, group=self.group) as worker:
            worker.await_committed(self.kafka, self.group, self.source, {0: ROWS})
            assert worker.stop() == ExitCode.OK
        messages = self.kafka.read_all(self.sink)
        assert len(messages) == rows
        return messages

    def check(self, messages: list[Any], order: list[int]) -> None:
        """Compare each record's row, key and timestamp with the row it came from."""
        found = [(json.loads(m.value())["n"], m.key(), m.timestamp()[1]) for m in messages]
        assert found == [(n, self.keys[n], self.stamps[n]) for n in order]


@pytest.fixture
def wire(kafka: Kafka) -> Wire:
    return Wire(kafka)


def by_amount(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.sort_by("amount")


def every_fourth(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.filter(pc.equal(pc.bit_wise_and(batch["n"], 3), 0))


def picked(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pa.array([5, 2, 9], pa.int64()))


@pytest.mark.parametrize(
    ("function", "order"),
    [
        (by_amount, list(reversed(range(ROWS)))),
        (every_fourth, list(range(0, ROWS, 4))),
        (picked, [5, 2, 9]),
        (lambda b: by_amount(every_fourth(b)), list(reversed(range(0, ROWS, 4)))),
        (lambda b: b.slice(4, 6), list(range(4, 10))),
    ],
    ids=["sort", "filter", "take", "filter and sort", "slice"],
)
def test_key_and_timestamp_follow_their_row(
    wire: Wire, function: Callable[[pa.RecordBatch], pa.RecordBatch], order: list[int]
) -> None:
    messages = wire.through(lambda rows: rows.map(function), len(order))
    wire.check(messages, order)


def test_rows_that_no_step_changed_keep_their_bytes(wire: Wire) -> None:
    messages = wire.through(lambda rows: rows.filter(lambda b: b["n"] >= 10), ROWS - 10)
    wire.check(messages, list(range(10, ROWS)))
    assert [m.value() for m in messages] == wire.values[10:]


def test_bytes_follow_their_row_through_a_sort(wire: Wire) -> None:
    messages = wire.through(lambda rows: rows.map(by_amount), ROWS)
    assert [m.value() for m in messages] == wire.values[::-1]


def test_a_row_that_got_a_column_keeps_its_bytes_before_it(wire: Wire) -> None:
    def build(rows: Stream) -> Stream:
        return rows.map(by_amount).map(lambda b: b.append_column("double", b["n"] * 2))

    messages = wire.through(build, ROWS)
    wire.check(messages, list(reversed(range(ROWS))))
    for n, message in zip(reversed(range(ROWS)), messages, strict=True):
        kept = wire.values[n].rstrip(b" }")
        assert message.value().startswith(kept)
        assert json.loads(message.value())["double"] == 2 * n


def test_a_row_with_a_changed_column_is_written_anew_under_its_own_key(wire: Wire) -> None:
    messages = wire.through(
        lambda rows: rows.map(by_amount).with_columns(amount=lambda b: b["amount"] * 10), ROWS
    )
    wire.check(messages, list(reversed(range(ROWS))))
    amounts = [json.loads(m.value())["amount"] for m in messages]
    assert amounts == [(ROWS - n + 0.5) * 10 for n in reversed(range(ROWS))]


def test_flat_map_gives_each_row_the_key_of_the_one_it_came_from(wire: Wire) -> None:
    messages = wire.through(lambda rows: rows.flat_map(lambda b: [b, b.slice(0, 2)]), ROWS + 2)
    assert [m.key() for m in messages] == [*wire.keys, *wire.keys[:2]]


def test_a_columns_value_can_be_the_key(wire: Wire) -> None:
    messages = wire.through(lambda rows: rows.map(by_amount), ROWS, key_extractor="n")
    assert [m.key() for m in messages] == [str(n).encode() for n in reversed(range(ROWS))]
    assert [m.timestamp()[1] for m in messages] == wire.stamps[::-1]


def test_a_function_of_the_row_can_give_the_key(wire: Wire) -> None:
    def key(row: dict[str, Any]) -> bytes | None:
        return None if row["n"] == 7 else f"n/{row['n']}".encode()

    messages = wire.through(lambda rows: rows.map(by_amount), ROWS, key_extractor=key)
    wanted = [None if n == 7 else f"n/{n}".encode() for n in reversed(range(ROWS))]
    assert [m.key() for m in messages] == wanted


def test_a_tombstone_passes_with_its_key(kafka: Kafka) -> None:
    group = kafka.unique("g")
    source = kafka.create_topic(kafka.unique("in"), 1)
    sink = kafka.create_topic(kafka.unique("out"), 1)
    kafka.produce(source, [{"n": 1}, None], keys=["a", "b"])

    def define(app: App) -> None:
        app.stream(source, **FAST).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: 2})
        assert worker.stop() == ExitCode.OK
    assert [(m.key(), m.value()) for m in kafka.read_all(sink)] == [
        (b"a", b'{"n": 1}'),
        (b"b", None),
    ]
