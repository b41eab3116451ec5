from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest

from sabot import App, Stream
from sabot.errors import ConfigurationError, PlanError, ProcessingError
from sabot.testing.pytest_plugin import SabotDriver
from sabot.types import Record

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_records_go_in_and_come_out_with_key_headers_and_time(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    orders = app.stream("orders", headers_column="headers")
    orders.with_columns(large=lambda b: b["amount"] > 100).to_kafka(
        app.broker, "out", headers_column="headers"
    )
    d = sabot_driver(app)
    d.send("orders", {"id": 1, "amount": 500}, key="k", headers=[("trace", b"7")], timestamp=5_000)
    assert d.output("out") == [
        Record(
            {"id": 1, "amount": 500, "large": True}, b"k", (("trace", b"7"),), "out", 0, 0, 5_000
        )
    ]
    assert d.position("orders") == 1


def test_the_bytes_are_the_codecs_own(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    app.stream("in", codec_type="msgpack").to_kafka(app.broker, "out", codec_type="json")
    d = sabot_driver(app)
    d.send("in", {"n": 1})
    d.send("in", b"\x81\xa1n\x02")
    assert d.values("out") == [{"n": 1}, {"n": 2}]


def test_records_sent_together_are_seen_together_or_one_by_one(sabot_driver: SabotDriver) -> None:
    sizes: list[int] = []

    def note(batch: pa.RecordBatch) -> pa.RecordBatch:
        sizes.append(batch.num_rows)
        return batch

    for batch_size in (None, 2):
        app = App("shop")
        app.stream("in").map(note).to_kafka(app.broker, "out")
        d = sabot_driver(app, batch_size=batch_size)
        for n in range(3):
            d.send("in", {"n": n})
        assert d.values("out") == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert sizes == [3, 2, 1]


def test_a_stream_without_an_end_gives_its_rows(sabot_driver: SabotDriver) -> None:
    d = sabot_driver(Stream.from_kafka("nowhere:1", "in", "g").filter(lambda b: b["n"] > 1))
    d.send("in", {"n": 1})
    d.send("in", {"n": 2})
    assert d.rows == [{"n": 2}]


def test_rows_from_memory_are_there_at_once(sabot_driver: SabotDriver) -> None:
    assert sabot_driver(Stream.from_pylist([{"n": 1}])).rows == [{"n": 1}]


def test_what_a_program_writes_to_its_own_input_comes_back(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    app.stream("a").with_columns(seen=True).to_kafka(app.broker, "b")
    app.stream("b").filter(lambda b: b["seen"]).to_kafka(app.broker, "c")
    d = sabot_driver(app)
    d.send("a", {"n": 1})
    assert d.values("c") == [{"n": 1, "seen": True}]
    assert (d.position("a"), d.position("b")) == (1, 1)


def test_a_program_that_feeds_itself_for_ever_is_stopped(sabot_driver: SabotDriver) -> None:
    app = App("loop")
    app.stream("a").to_kafka(app.broker, "a")
    d = sabot_driver(app)
    d.send("a", {"n": 1})
    with pytest.raises(ConfigurationError, match="does not settle"):
        d.settle()


def test_a_bad_record_goes_to_the_dead_letters_with_its_reason(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    orders = app.stream("in", error_handling_policy="dead_letter", dead_letter_topic="dlq")
    orders.with_columns(each=lambda b: pa.array([10 // n for n in b["n"].to_pylist()])).to_kafka(
        app.broker, "out"
    )
    d = sabot_driver(app)
    for value in ({"n": 5}, {"n": 0}, b"{", {"n": 2}):
        d.send("in", value, key="k")
    assert d.values("out") == [{"n": 5, "each": 2}, {"n": 2, "each": 5}]
    assert d.values("dlq") == [b"{", b'{"n":0}']
    headers = dict(d.output("dlq")[1].headers)
    assert headers["sabot-error-class"] == b"builtins.ZeroDivisionError"
    assert headers["sabot-application"] == b"shop"
    assert d.position("in") == 4


def test_a_skipped_record_is_counted(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    app.stream("in", error_handling_policy="skip").to_kafka(app.broker, "out")
    d = sabot_driver(app)
    d.send("in", b"{")
    assert (d.values("out"), d.skipped) == ([], 1)


def test_a_record_a_policy_fails_for_raises_and_stands_in_the_way(
    sabot_driver: SabotDriver,
) -> None:
    app = App("shop")
    app.stream("in", error_handling_policy="fail").map(fails_at(2)).to_kafka(app.broker, "out")
    d = sabot_driver(app)
    for n in range(4):
        d.send("in", {"n": n})
    with pytest.raises(ProcessingError, match=r"in\[0\]@2.*not this one"):
        d.settle()
    assert d.values("out") == [{"n": 0}, {"n": 1}]
    assert d.position("in") == 2


def fails_at(number: int, until: list[int] | None = None) -> Any:
    """Return a step that raises for one number, as often as ``until`` says."""

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        if number in batch["n"].to_pylist() and (until is None or until[0] > 0):
            if until is not None and batch.num_rows == 1:
                until[0] -= 1
            raise ValueError("not this one")
        return batch

    return step


def test_retries_wait_for_the_clock_and_hold_what_is_behind(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    orders = app.stream("in", error_handling_policy="retry", retry_backoff_seconds=60.0)
    orders.map(fails_at(1, until=[1])).to_kafka(app.broker, "out")
    d = sabot_driver(app)
    for n in range(3):
        d.send("in", {"n": n})
    assert d.values("out") == [{"n": 0}]
    d.advance(20.0)
    assert d.values("out") == [{"n": 0}]
    began = time.monotonic()
    d.advance(3600.0)
    assert d.values("out") == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert d.clock.monotonic() == pytest.approx(3620.0)
    assert time.monotonic() - began < 60


def test_a_cause_that_passes_is_waited_out(sabot_driver: SabotDriver) -> None:
    left = [2]

    def flaky(batch: pa.RecordBatch) -> pa.RecordBatch:
        if left[0]:
            left[0] -= 1
            raise ConnectionError("not now")
        return batch

    app = App("shop")
    app.stream("in", transient=(ConnectionError,)).map(flaky).to_kafka(app.broker, "out")
    d = sabot_driver(app)
    d.send("in", {"n": 1})
    d.send("in", {"n": 2})
    assert d.values("out") == []
    d.advance(10.0)
    assert d.values("out") == [{"n": 1}, {"n": 2}]


def test_an_agent_handles_events_and_its_failure_follows_the_policy(
    sabot_driver: SabotDriver,
) -> None:
    app = App("shop")
    handled: list[int] = []

    @app.agent("in", error_handling_policy="dead_letter", dead_letter_topic="dlq")
    async def handle(events: AsyncIterator[dict[str, int]]) -> None:
        async for event in events:
            if event["n"] == 1:
                raise ValueError("not this one")
            handled.append(event["n"])

    d = sabot_driver(app)
    for n in range(3):
        d.send("in", {"n": n})
    d.settle()
    assert handled == [0, 2]
    assert [json.loads(value) for value in d.values("dlq")] == [{"n": 1}]
    assert d.position("in") == 3


def test_an_agents_retries_move_the_clock_instead_of_waiting(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    tries: list[int] = []

    @app.agent("in", error_handling_policy="retry", retry_backoff_seconds=25.0)
    async def handle(events: AsyncIterator[dict[str, int]]) -> None:
        async for event in events:
            tries.append(event["n"])
            if len(tries) == 1:
                raise ValueError("the first time")

    d = sabot_driver(app)
    d.send("in", {"n": 1})
    d.settle()
    assert tries == [1, 1]
    assert d.clock.monotonic() >= 20.0


def test_the_same_app_can_be_driven_again_from_the_start(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    app.stream("in").to_kafka(app.broker, "out")
    for _ in range(2):
        d = sabot_driver(app)
        d.send("in", {"n": 1})
        assert [record.offset for record in d.output("out")] == [0]


def test_a_topic_nobody_reads_and_an_empty_app_are_refused(sabot_driver: SabotDriver) -> None:
    app = App("shop")
    with pytest.raises(PlanError, match="nothing to drive"):
        sabot_driver(app)
    app.stream("orders").to_kafka(app.broker, "out")
    d = sabot_driver(app)
    with pytest.raises(ConfigurationError, match="nothing reads the topic 'order'; did you mean"):
        d.send("order", {"n": 1})
    with pytest.raises(ConfigurationError, match="nothing reads the topic 'out'"):
        d.position("out")


def test_state_is_kept_by_key_and_can_be_looked_at(sabot_driver: SabotDriver) -> None:
    def total(state: int | None, row: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        now = (state or 0) + row["n"]
        return now, {"total": now}

    app = App("shop")
    app.stream("in").stateful(total, store="totals").to_kafka(app.broker, "out")
    d = sabot_driver(app)
    d.send("in", {"n": 2}, key="a")
    d.send("in", {"n": 1}, key="b", partition=1)
    d.send("in", {"n": 5}, key="a")
    assert [row["total"] for row in d.values("out")] == [2, 1, 7]
    assert d.state("totals") == {b"a": 7, b"b": 1}
