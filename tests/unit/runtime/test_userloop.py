from __future__ import annotations

import asyncio
import threading

import pytest

from sabot.runtime.userloop import UserLoop
from tests.loops import on_a_loop


def test_without_a_loop_nothing_can_be_submitted() -> None:
    loop = UserLoop()
    assert not loop.is_attached
    with pytest.raises(RuntimeError, match="is not running"):
        loop.submit(lambda: asyncio.sleep(0))


def test_without_a_loop_waking_does_nothing() -> None:
    called: list[bool] = []
    UserLoop().wake(lambda: called.append(True))
    assert called == []


def test_waking_a_closed_loop_does_nothing() -> None:
    closed = asyncio.new_event_loop()
    closed.close()
    loop = UserLoop()
    loop.attach(closed)
    loop.wake(lambda: None)


@on_a_loop
async def test_work_of_another_thread_runs_on_the_attached_loop() -> None:
    loop = UserLoop()
    loop.attach(asyncio.get_running_loop())
    assert loop.is_attached

    async def where() -> threading.Thread:
        return threading.current_thread()

    ran = await asyncio.to_thread(lambda: loop.submit(where).result(10))
    assert ran is threading.current_thread()
    woken = asyncio.Event()
    await asyncio.to_thread(loop.wake, woken.set)
    await asyncio.wait_for(woken.wait(), 10)
    loop.detach()
    assert not loop.is_attached
