"""A handler that blocks the event loop: row 15 of the reliability list."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted, quick

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")]

SESSION_SECONDS = 6.0
"""The shortest the broker allows."""


def test_a_blocked_loop_is_named_and_keeps_its_place_in_the_group(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    group, topic = kafka.unique("g"), kafka.create_topic(kafka.unique("in"), 2)
    entered, opened = threading.Event(), threading.Event()
    handled: list[int] = []

    def define(app: App) -> None:
        @app.agent(topic, name="sleeper", **FAST)
        async def sleeper(stream: Any) -> None:
            async for event in stream:
                if event["n"] == 0:
                    entered.set()
                    # What a user's time.sleep does, with an end that the test decides.
                    opened.wait(60)
                handled.append(event["n"])

    settings = quick(blocked_loop_seconds=0.3)
    with (
        caplog.at_level(logging.WARNING),
        hosted(define, kafka=kafka, group=group, settings=settings) as worker,
    ):
        try:
            kafka.await_group(group)
            (before,) = kafka.group_members(group)
            kafka.produce(topic, [{"n": 0}])
            assert entered.wait(30)
            blocked_at = time.monotonic()
            until(lambda: "event loop blocked" in caplog.text, what="a warning")
            assert worker.statistics.loop_blocked_seconds is not None
            kafka.produce(topic, [{"n": n} for n in range(1, 50)])
            # Longer than the group waits for a member that gives no sign of life.
            until(
                lambda: time.monotonic() > blocked_at + SESSION_SECONDS + 2,
                what="the session timeout to pass",
            )
            (after,) = kafka.group_members(group)
            assert after.member_id == before.member_id
        finally:
            opened.set()
        until(lambda: len(handled) == 50, what="the lag to drain")
        until(lambda: "event loop goes on" in caplog.text, what="the all-clear")
        assert worker.statistics.loop_blocked_seconds is None
        assert worker.stop() == ExitCode.OK
    warning = next(r for r in caplog.records if "event loop blocked" in r.getMessage())
    said = str(warning.__dict__)
    assert "agent:sleeper" in said
    assert "in sleeper" in said  # its line of the stack
    assert "opened.wait(60)" in said
    assert sum(kafka.committed(group, topic).values()) == 50
