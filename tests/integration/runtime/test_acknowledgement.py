"""What is committed after each message: the table of docs/errors.md, cell by cell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sabot.actors import Backoff, RestartLimit, Supervision
from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted, quick

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")]

POLICIES = (None, "skip", "fail", "retry", "dead_letter")
COMES = {"ok": (1, 2, 3)}
PASSED = {"skip": (1, 2, 3), "dead_letter": (1, 2, 3)}
HELD = (1,)
"""The record in the middle is not done, and nothing behind it is committed."""


def table() -> list[tuple[str | None, str, tuple[int, ...]]]:
    """Return policy, what the handler does with the second record, and the commits."""
    rows: list[tuple[str | None, str, tuple[int, ...]]] = []
    for policy in POLICIES:
        rows += [
            (policy, "ok", (1, 2, 3)),
            (policy, "raise", PASSED.get(policy or "", HELD)),
            (policy, "cancel", HELD),
            (policy, "timeout", HELD),
        ]
    return rows


async def treat(event: dict[str, Any]) -> None:
    """Do with an event what it says."""
    if event["do"] == "raise":
        raise ValueError("not this one")
    if event["do"] == "cancel":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
    if event["do"] == "timeout":
        await asyncio.Event().wait()


def agent(kafka: Kafka, topic: str, **options: Any) -> Callable[[App], None]:
    def define(app: App) -> None:
        @app.agent(topic, name="handler", **FAST, **options)
        async def handle(stream: Any) -> None:
            async for event in stream:
                await treat(event)

    return define


@pytest.mark.parametrize(("policy", "does", "commits"), table())
def test_the_committed_offset_is_what_the_table_says(
    kafka: Kafka, policy: str | None, does: str, commits: tuple[int, ...]
) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    options: dict[str, Any] = {"error_handling_policy": policy} if policy else {}
    if policy == "dead_letter":
        options["dead_letter_topic"] = kafka.create_topic(kafka.unique("dead"), 1)
    if policy == "retry":
        options |= {"max_retry_attempts": 1, "retry_backoff_seconds": 0.05}
    if does == "timeout":
        options["supervision"] = Supervision(timeout_seconds=0.4)
    with hosted(agent(kafka, topic, **options), kafka=kafka, group=group) as worker:
        for number, act in enumerate(("ok", does, "ok")):
            kafka.produce(topic, [{"n": number, "do": act}])
            if number + 1 in commits:
                worker.await_committed(kafka, group, topic, {0: number + 1})
            elif number == 1:
                assert worker.ends() == ExitCode.FAILED
                assert f"{topic}[0]@1" in str(worker.failure)
        if commits == (1, 2, 3):
            assert worker.stop() == ExitCode.OK
    assert kafka.committed(group, topic) == {0: commits[-1]}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_failure_of_the_world_is_held_under_every_policy(
    kafka: Kafka, policy: str | None
) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    options: dict[str, Any] = {"error_handling_policy": policy} if policy else {}
    if policy == "dead_letter":
        options["dead_letter_topic"] = kafka.create_topic(kafka.unique("dead"), 1)
    patient = Supervision(backoff=Backoff(0.01, 0.02))
    mended, tried = threading.Event(), threading.Semaphore(0)
    kafka.produce(topic, [{"n": n} for n in range(3)])

    def define(app: App) -> None:
        @app.agent(topic, name="handler", **FAST, **options, supervision=patient)
        async def handle(stream: Any) -> None:
            async for event in stream:
                if event["n"] == 1 and not mended.is_set():
                    tried.release()
                    raise TimeoutError("the database is down")

    with hosted(define, kafka=kafka, group=group) as worker:
        for _ in range(8):  # more often than a restart limit would bear
            assert tried.acquire(timeout=30)
        worker.await_committed(kafka, group, topic, {0: 1})
        mended.set()
        worker.await_committed(kafka, group, topic, {0: 3})
        assert worker.stop() == ExitCode.OK


def test_a_slow_record_holds_back_the_commits_of_those_behind_it(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    first, other = _held_back(kafka, topic, group)
    assert first == [1]  # of five, the one in hand; nothing behind it was begun
    assert other == [1, 2, 3, 4, 5]


def test_a_slow_record_of_a_compacted_topic_holds_back_the_commits_too(kafka: Kafka) -> None:
    group = kafka.unique("g")
    topic = kafka.create_topic(
        kafka.unique("in"),
        1,
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.01",
        min_compaction_lag_ms="0",
        max_compaction_lag_ms="100",
        delete_retention_ms="100",
    )
    # Each key twice, so that compaction leaves a hole before each that stays.
    for number in range(1, 6):
        kafka.produce(topic, [{"n": 0}, {"n": number}], keys=[f"k{number}"] * 2)

    def compacted() -> bool:
        kafka.produce(topic, [{"n": 0}], keys=["last"])  # the newest segment stays as it is
        return len([r for r in kafka.read_all(topic) if b'"n": 0' in r.value()]) < 5

    until(compacted, what="compaction", timeout=90, every=0.5)
    first, other = _held_back(kafka, topic, group)
    assert [n for n in first if n] == [1]
    assert {n for n in other if n} == {1, 2, 3, 4, 5}


def _held_back(kafka: Kafka, topic: str, group: str) -> tuple[list[int], list[int]]:
    """Hold record 1, look at the commits, end; return what two workers have begun."""
    if not kafka.end_offsets(topic)[0]:
        kafka.produce(topic, [{"n": n} for n in range(1, 6)])
    records = kafka.read_all(topic)
    place = next(r.offset() for r in records if b'"n": 1' in r.value())
    begun: list[int] = []
    holds, entered = threading.Event(), threading.Event()
    holds.set()
    beside = kafka.create_topic(kafka.unique("beside"), 1)

    def define(app: App) -> None:
        @app.agent(topic, name="handler", **FAST)
        async def handle(stream: Any) -> None:
            async for event in stream:
                begun.append(event["n"])
                if event["n"] == 1 and holds.is_set():
                    entered.set()
                    await asyncio.Event().wait()

        app.stream(beside, **FAST).for_each(lambda row: None)

    settings = quick(drain_timeout_seconds=0.5)
    with hosted(define, kafka=kafka, group=group, settings=settings) as worker:
        assert entered.wait(30)
        for number in range(1, 4):  # that other offsets move shows that commits go on
            kafka.produce(beside, [{"n": number}])
            worker.await_committed(kafka, group, beside, {0: number})
        assert kafka.committed(group, topic).get(0, 0) <= place
        assert worker.stop() == ExitCode.DRAIN
    # The drain has cancelled the handler, and what it had is not done by that.
    assert kafka.committed(group, topic).get(0, 0) <= place
    first = list(begun)
    begun.clear()
    holds.clear()
    with hosted(define, kafka=kafka, group=group) as again:
        again.await_committed(kafka, group, topic, kafka.end_offsets(topic))
        assert again.stop() == ExitCode.OK
    return first, begun


def test_a_handler_that_swallows_its_cancellation_has_not_finished_its_record(
    kafka: Kafka,
) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": n} for n in range(3)])
    entered = threading.Event()
    seen: list[int] = []

    def define(app: App) -> None:
        @app.agent(topic, name="handler", **FAST)
        async def handle(stream: Any) -> None:
            async for event in stream:
                seen.append(event["n"])
                if event["n"] == 1:
                    entered.set()
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        continue

    settings = quick(drain_timeout_seconds=0.5)
    with hosted(define, kafka=kafka, group=group, settings=settings) as worker:
        assert entered.wait(30)
        assert worker.stop() == ExitCode.DRAIN
    assert seen == [0, 1]
    assert kafka.committed(group, topic) == {0: 1}


def test_what_a_step_holds_at_the_end_of_a_drain_is_not_committed(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": n} for n in range(3)])
    entered, opened = threading.Event(), threading.Event()

    def slow(row: dict[str, Any]) -> None:
        if row["n"] == 1:
            entered.set()
            opened.wait(30)

    def define(app: App) -> None:
        app.stream(topic, **FAST, batch_size=1).for_each(slow)

    settings = quick(drain_timeout_seconds=0.5)
    with hosted(define, kafka=kafka, group=group, settings=settings) as worker:
        try:
            assert entered.wait(30)
            worker.worker.request_stop("the test")
            assert worker.ends() == ExitCode.DRAIN
        finally:
            opened.set()
    assert kafka.committed(group, topic).get(0, 0) <= 1


def test_a_handler_that_always_raises_ends_the_worker_with_the_first_cause(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": n} for n in range(3)])
    supervision = Supervision("restart", backoff=Backoff(0.01, 0.02), limit=RestartLimit(count=5))
    seen: list[int] = []

    def define(app: App) -> None:
        @app.agent(topic, name="handler", **FAST, supervision=supervision)
        async def handle(stream: Any) -> None:
            async for event in stream:
                seen.append(event["n"])
                if event["n"] == 1:
                    raise ValueError(f"cause {seen.count(1)}")

    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == ExitCode.FAILED
        assert "failed 6 times within 60 s" in str(worker.failure)
        assert "cause 1" in str(worker.failure)
    assert seen == [0, 1, 1, 1, 1, 1, 1]
    assert kafka.committed(group, topic) == {0: 1}
