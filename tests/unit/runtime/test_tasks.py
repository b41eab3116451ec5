from __future__ import annotations

import asyncio
import threading
from typing import Any

from sabot.runtime.tasks import TaskGroup
from sabot.runtime.userloop import UserLoop
from tests.loops import on_a_loop


def attached() -> UserLoop:
    loop = UserLoop()
    loop.attach(asyncio.get_running_loop())
    return loop


@on_a_loop
async def test_a_coroutine_function_runs_on_the_loop_and_is_cancelled_at_the_stop() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    where: list[asyncio.AbstractEventLoop] = []
    failures: list[BaseException] = []

    async def task() -> None:
        where.append(asyncio.get_running_loop())
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    group = TaskGroup([task], attached(), failures.append)
    await asyncio.to_thread(group.start)
    await asyncio.wait_for(begun.wait(), 10)
    group.stop()
    await asyncio.wait_for(ended.wait(), 10)
    assert where == [asyncio.get_running_loop()]
    assert failures == []


@on_a_loop
async def test_a_plain_function_runs_on_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []
    done = threading.Event()

    def task() -> None:
        threads.append(threading.current_thread())
        done.set()

    TaskGroup([task], attached(), lambda error: None).start()
    assert await asyncio.to_thread(done.wait, 10)
    assert threads[0] is not threading.current_thread()
    assert threads[0].name == "sabot-task-task"
    threads[0].join(10)


@on_a_loop
async def test_the_error_of_either_is_reported() -> None:
    failures: list[BaseException] = []
    both = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard(error: BaseException) -> None:
        failures.append(error)
        if len(failures) == 2:
            loop.call_soon_threadsafe(both.set)

    async def first() -> None:
        raise ValueError("first")

    def second() -> None:
        raise KeyError("second")

    tasks: list[Any] = [first, second]
    group = TaskGroup(tasks, attached(), heard)
    await asyncio.to_thread(group.start)
    await asyncio.wait_for(both.wait(), 10)
    assert sorted(type(error).__name__ for error in failures) == ["KeyError", "ValueError"]
