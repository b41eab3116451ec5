"""Strategies on a real broker, where they end in offsets and exit codes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sabot.actors import Backoff, Supervision
from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted, quick

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")]

BRIEFLY = Backoff(0.01, 0.02)


def only_two(values: list[int]) -> Callable[[dict[str, Any]], None]:
    def check(row: dict[str, Any]) -> None:
        values.append(row["n"])
        if row["n"] == 2 and values.count(2) < 3:
            raise ValueError("not yet")

    return check


def test_a_pipeline_that_restarts_repeats_no_row_before_the_one_that_failed(
    kafka: Kafka,
) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": n} for n in range(5)])
    seen: list[int] = []

    def define(app: App) -> None:
        app.stream(topic, **FAST, supervision=Supervision("restart", BRIEFLY)).for_each(
            only_two(seen)
        )

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, topic, {0: 5})
        assert worker.pipeline().restarts == 2
        assert worker.stop() == ExitCode.OK
    assert seen == [0, 1, 2, 2, 2, 3, 4]


def test_stop_ends_one_domain_and_the_exit_code_says_so_later(kafka: Kafka) -> None:
    broken, whole = (kafka.create_topic(kafka.unique(name), 1) for name in ("a", "b"))
    group, other = kafka.unique("g"), kafka.unique("g")
    kafka.produce(broken, [{"n": n} for n in range(3)])
    seen: list[int] = []

    def refuse(row: dict[str, Any]) -> None:
        if row["n"] == 1:
            raise ValueError("not this one")

    def define(app: App) -> None:
        app.stream(broken, **FAST, supervision=Supervision("stop")).for_each(refuse)
        app.stream(whole, group_id=other, **FAST).for_each(lambda row: seen.append(row["n"]))

    with hosted(define, kafka=kafka, group=group) as worker:
        until(lambda: worker.failure is not None, what="a failure that is noted")
        until(lambda: not kafka.group_members(group), what="the domain to leave its group")
        kafka.produce(whole, [{"n": 7}])
        worker.await_committed(kafka, other, whole, {0: 1})
        assert worker.stop() == ExitCode.FAILED
    assert seen == [7]
    assert kafka.committed(group, broken) == {0: 1}


def test_stop_ends_a_worker_that_has_nothing_else_to_do(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": n} for n in range(3)])

    def define(app: App) -> None:
        app.stream(topic, **FAST, supervision=Supervision("stop")).for_each(only_two([]))

    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == ExitCode.FAILED
    assert kafka.committed(group, topic) == {0: 2}


def test_resume_passes_a_batch_that_fails_as_a_whole_by_its_policy(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    dead = kafka.create_topic(kafka.unique("dead"), 1)
    kafka.produce(topic, [{"n": n} for n in range(20)])

    def refuse(batch: Any) -> Any:
        raise ValueError("no batch at all")

    def define(app: App) -> None:
        app.stream(
            topic,
            **FAST,
            supervision=Supervision("resume"),
            error_handling_policy="dead_letter",
            dead_letter_topic=dead,
        ).map(refuse).for_each(print)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, topic, {0: 20})
        assert worker.stop() == ExitCode.OK
    assert [row["n"] for row in kafka.values(dead)] == list(range(20))


def test_one_for_all_has_a_sibling_begin_anew_with_its_event_in_hand(kafka: Kafka) -> None:
    group = kafka.unique("g")
    failing, healthy = (kafka.create_topic(kafka.unique(name), 1) for name in ("a", "b"))
    in_hand, begun = threading.Event(), []
    seen: list[int] = []

    def define(app: App) -> None:
        @app.agent(failing, name="failing", **FAST)
        async def fails(stream: Any) -> None:
            async for event in stream:
                if event["n"] == 0 and len(begun) < 2:
                    raise ValueError("once")

        @app.agent(healthy, name="healthy", **FAST)
        async def works(stream: Any) -> None:
            begun.append(1)
            async for event in stream:
                seen.append(event["n"])
                if len(begun) < 2:
                    in_hand.set()
                    await asyncio.Event().wait()

    together = Supervision("restart", BRIEFLY, group="one_for_all")
    kafka.produce(healthy, [{"n": 5}])
    with hosted(define, kafka=kafka, group=group, settings=quick(supervision=together)) as worker:
        assert in_hand.wait(30)
        kafka.produce(failing, [{"n": 0}])
        worker.await_committed(kafka, group, healthy, {0: 1})
        worker.await_committed(kafka, group, failing, {0: 1})
        assert worker.stop() == ExitCode.OK
    assert (seen, len(begun)) == ([5, 5], 2)


def test_a_step_that_hangs_past_its_time_ends_the_worker(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": n} for n in range(3)])
    opened = threading.Event()

    def define(app: App) -> None:
        app.stream(topic, **FAST, supervision=Supervision(timeout_seconds=0.5)).for_each(
            lambda row: opened.wait(60)
        )

    with hosted(define, kafka=kafka, group=group) as worker:
        try:
            assert worker.ends() == ExitCode.FAILED
            assert "cannot be interrupted" in str(worker.failure)
            assert "opened.wait(60)" in str(worker.failure)
        finally:
            opened.set()
    assert kafka.committed(group, topic).get(0, 0) == 0


def test_sys_exit_in_a_handler_gives_its_status(kafka: Kafka) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(topic, [{"n": 0}])

    def define(app: App) -> None:
        @app.agent(topic, name="handler", **FAST, supervision=Supervision("restart"))
        async def handle(stream: Any) -> None:
            async for _ in stream:
                raise SystemExit(3)

    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == 3
    assert kafka.committed(group, topic).get(0, 0) == 0
