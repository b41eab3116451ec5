"""One slow actor among others: rows 29 and 30 of the reliability list."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest

from sabot.app.app import App
from sabot.kafka.reader import KafkaReader
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, RunningWorker, hosted, quick

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")]

BUDGET = 400_000
WIDE = "x" * 4_000


def reader_of(worker: RunningWorker) -> KafkaReader:
    (domain,) = worker.worker._domains.values()
    assert domain._reader is not None
    return domain._reader


def test_a_slow_agent_costs_another_neither_a_pause_nor_a_record(kafka: Kafka) -> None:
    group = kafka.unique("g")
    slow, quick_one = (kafka.create_topic(kafka.unique(name), 2) for name in ("slow", "quick"))
    entered, opened = threading.Event(), threading.Event()
    slow_seen: list[int] = []
    quick_seen: list[int] = []

    def define(app: App) -> None:
        @app.agent(slow, name="slow", **FAST, batch_size=50)
        async def slowly(stream: Any) -> None:
            async for event in stream:
                entered.set()
                await asyncio.to_thread(opened.wait, 60)
                slow_seen.append(event["n"])

        @app.agent(quick_one, name="quick", **FAST, batch_size=50)
        async def quickly(stream: Any) -> None:
            async for event in stream:
                quick_seen.append(event["n"])

    kafka.produce(slow, [{"n": n, "wide": WIDE} for n in range(600)])
    settings = quick(mailbox_bytes=BUDGET)
    with hosted(define, kafka=kafka, group=group, settings=settings) as worker:
        try:
            assert entered.wait(30)
            reader = reader_of(worker)
            until(
                lambda: {tp.topic for tp in reader.paused} == {slow}, what="the slow one to pause"
            )
            used: list[int] = []
            for number in range(200):
                kafka.produce(quick_one, [{"n": number, "wide": WIDE}])
                until(lambda n=number: len(quick_seen) == n + 1, what=f"event {number}")
                used.append(worker.statistics.mailbox_bytes)
                assert quick_one not in {tp.topic for tp in reader.paused}
            # Nothing of the slow one had to end for that.
            assert slow_seen == []
            assert max(used) <= BUDGET == worker.statistics.mailbox_bytes_bound
            # And it was the budget that stopped it, not the count.
            (first, _) = worker.worker.actors()
            assert first.depth < first.depth_bound / 2
        finally:
            opened.set()
        until(lambda: len(slow_seen) == 600, what="the slow one to catch up")
        assert worker.stop() == ExitCode.OK
    assert sorted(slow_seen) == list(range(600))
    assert quick_seen == list(range(200))


def test_what_waits_and_is_in_hand_stays_within_the_budget_of_bytes(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 2)
    ends = [kafka.create_topic(kafka.unique("out"), 1) for _ in range(3)]
    kafka.produce(topic, [{"n": n, "wide": WIDE} for n in range(1_500)])
    size = len(json.dumps({"n": 0, "wide": WIDE}))
    assert size * 1_500 > 10 * BUDGET
    most = 0

    def define(app: App) -> None:
        for end in ends:  # three actors that read the same topic, each for itself
            app.stream(topic, **FAST, batch_size=100).to_kafka(app.broker, end)

    with hosted(define, kafka=kafka, group=group, settings=quick(mailbox_bytes=BUDGET)) as worker:

        def all_sent() -> bool:
            nonlocal most
            most = max(most, worker.statistics.mailbox_bytes)
            return worker.sent == 4_500

        until(all_sent, what="all rows", every=0.001)
        assert worker.stop() == ExitCode.OK
    assert 0 < most <= BUDGET


def test_state_is_restored_while_the_mailbox_it_is_for_is_full(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    group = kafka.unique("g")
    source, sink = (kafka.create_topic(kafka.unique(name), 4) for name in ("in", "out"))
    opened = threading.Event()

    def count(seen: int | None, row: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (seen or 0) + 1, {"n": row["n"], "key": row["key"], "seen": (seen or 0) + 1}

    def define(app: App, gate: threading.Event | None = None) -> None:
        def step(batch: Any) -> Any:
            assert gate is None or gate.wait(60)
            return batch

        rows = app.stream(source, **FAST, batch_size=50).map(step)
        rows.stateful(count, store="seen").to_kafka(app.broker, sink)

    def feed(first: int, each: int) -> None:
        for key in range(4):
            rows = [{"n": first + n, "key": key, "wide": WIDE} for n in range(each)]
            kafka.produce(source, rows, keys=[b"%d" % key] * each, partition=key)

    settings = quick(mailbox_bytes=BUDGET)
    feed(0, 100)
    slow = hosted(lambda app: define(app, opened), kafka=kafka, group=group, settings=settings)
    with hosted(define, kafka=kafka, group=group) as guest:
        guest.await_committed(kafka, group, source, dict.fromkeys(range(4), 100))
        with slow as stays:
            try:
                stays.await_assigned(2)
                guest.await_assigned(2)
                feed(100, 200)
                reader = reader_of(stays)
                until(lambda: len(reader.paused) == 2, what="a mailbox that is full")
                caplog.clear()
                with caplog.at_level(logging.INFO):
                    assert guest.stop() == ExitCode.OK
                    stays.await_assigned(4)
                    until(
                        lambda: caplog.text.count("its state restored") == 2,
                        what="the state of the other two",
                    )
                assert stays.sent == 0
            finally:
                opened.set()
            stays.await_committed(kafka, group, source, dict.fromkeys(range(4), 300))
            assert stays.stop() == ExitCode.OK
    for key in range(4):
        rows = [row for row in kafka.values(sink) if row["key"] == key]
        assert [row["n"] for row in rows] == list(range(300))
        assert [row["seen"] for row in rows] == list(range(1, 301))


def test_no_function_of_a_user_runs_on_the_thread_that_polls(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    out = kafka.create_topic(kafka.unique("out"), 1)
    threads: dict[str, str] = {}

    def note(what: str) -> None:
        threads[what] = threading.current_thread().name

    def define(app: App) -> None:
        @app.actor
        def accountant(message: Any) -> None:
            note("actor")

        def step(batch: Any) -> Any:
            note("step")
            accountant.tell("a batch")
            return batch

        rows = app.stream(topic, **FAST)
        rows.map(step).to_kafka(app.broker, out, key_extractor=lambda row: note("key") or b"k")
        rows.for_each(lambda row: note("for_each"))

        @app.agent(topic, name="handler", **FAST)
        async def handle(stream: Any) -> None:
            async for _ in stream:
                note("agent")

    kafka.produce(topic, [{"n": 0}])
    with hosted(define, kafka=kafka, group=group) as worker:
        until(lambda: len(threads) == 5, what="all functions called")
        assert worker.stop() == ExitCode.OK
    assert not [name for name in threads.values() if "reader" in name], threads
