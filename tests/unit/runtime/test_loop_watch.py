from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from sabot.runtime.lookout import Lookout
from sabot.runtime.loop_watch import LoopWatch
from sabot.runtime.userloop import UserLoop
from tests.until import until


class Ticks:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(10)
    made.close()


def passes(loop: asyncio.AbstractEventLoop) -> None:
    """Wait until the loop has come by."""
    turned = threading.Event()
    loop.call_soon_threadsafe(turned.set)
    assert turned.wait(10)


def watched(loop: asyncio.AbstractEventLoop) -> tuple[LoopWatch, Ticks]:
    user, clock = UserLoop(), Ticks()
    user.attach(loop)
    return LoopWatch(user, 5.0, clock=clock), clock  # type: ignore[arg-type]


def test_a_blocked_loop_is_named_with_its_stack_again_and_until_it_is_over(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    watch, clock = watched(loop)
    watch.look()
    passes(loop)
    opened, entered = threading.Event(), threading.Event()

    async def hold() -> None:
        asyncio.current_task().set_name("agent:sleeper")  # type: ignore[union-attr]
        entered.set()
        opened.wait(30)

    with caplog.at_level(logging.WARNING):
        held = asyncio.run_coroutine_threadsafe(hold(), loop)
        assert entered.wait(10)
        watch.look()
        clock.now += 4
        watch.look()
        assert (len(caplog.records), watch.blocked_seconds) == (0, None)
        clock.now += 2
        watch.look()
        assert watch.blocked_seconds == 6
        said = caplog.records[-1].__dict__
        assert (said["running"], said["seconds"]) == ("agent:sleeper", 6.0)
        assert "opened.wait(30)" in said["stack"]
        clock.now += 29
        watch.look()
        assert len(caplog.records) == 1
        clock.now += 1
        watch.look()
        assert len(caplog.records) == 2
        opened.set()
        held.result(10)
        passes(loop)
        assert caplog.records[-1].__dict__["blocked_seconds"] == 36.0
    watch.look()
    assert (watch.blocked_seconds, watch.blocked_count) == (None, 1)


def test_a_loop_that_answers_is_left_alone(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    watch, clock = watched(loop)
    for _ in range(5):
        watch.look()
        passes(loop)
        clock.now += 60
    assert not caplog.records


def test_a_loop_that_its_host_has_halted_is_not_blocked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    halted = asyncio.new_event_loop()
    watch, clock = watched(halted)
    watch.look()
    clock.now += 60
    watch.look()
    halted.close()
    assert not caplog.records
    assert watch.blocked_seconds is None


def test_a_lookout_goes_on_after_a_look_that_raises() -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        raise ValueError("not this time")

    lookout = Lookout([look], every=0.001)
    lookout.start()
    until(lambda: len(looks) > 2, what="further looks")
    lookout.stop()
    lookout.stop()
