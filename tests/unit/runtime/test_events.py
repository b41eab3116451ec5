from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sabot.runtime.events import EventStream, Feed
from tests.loops import on_a_loop


def nothing_is_skipped(_event: int) -> bool:
    return False


class Desk:
    """A stream and the feeds that were finished."""

    def __init__(self) -> None:
        self.finished: list[Feed] = []
        self.stream = EventStream(self.finished.append)

    def feed(self, *values: Any, skip: Any = nothing_is_skipped) -> Feed:
        feed = Feed(values, skip)
        self.stream.put(feed)
        return feed


@on_a_loop
async def test_an_event_is_finished_when_the_next_is_asked_for() -> None:
    desk = Desk()
    feed = desk.feed("a", "b")
    assert await anext(desk.stream) == "a"
    assert (feed.taken, feed.finished) == (1, 0)
    assert await anext(desk.stream) == "b"
    assert (feed.taken, feed.finished) == (2, 1)
    assert desk.finished == []


@on_a_loop
async def test_the_last_event_is_finished_when_another_is_asked_for() -> None:
    desk = Desk()
    feed = desk.feed("a")
    await anext(desk.stream)
    waiting = asyncio.ensure_future(anext(desk.stream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (feed.finished, desk.finished) == (1, [feed])
    desk.feed("b")
    assert await waiting == "b"


@on_a_loop
async def test_an_event_is_finished_when_the_handler_returns() -> None:
    desk = Desk()
    feed = desk.feed("a", "b")
    await anext(desk.stream)
    desk.stream.acknowledge()
    assert feed.finished == 1
    await anext(desk.stream)
    desk.stream.acknowledge()
    assert (feed.finished, desk.finished) == (2, [feed])


@on_a_loop
async def test_an_event_is_not_finished_when_the_handler_raises() -> None:
    desk = Desk()
    feed = desk.feed("a", "b")

    async def handler() -> None:
        async for event in desk.stream:
            if event == "b":
                raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the handler's own
        await handler()
    assert (feed.taken, feed.finished) == (2, 1)
    assert desk.finished == []


@on_a_loop
async def test_a_rewind_hands_out_again_what_was_not_finished() -> None:
    desk = Desk()
    desk.feed("a", "b", "c")
    assert [await anext(desk.stream), await anext(desk.stream)] == ["a", "b"]
    desk.stream.rewind()
    assert [await anext(desk.stream), await anext(desk.stream)] == ["b", "c"]


@on_a_loop
async def test_a_break_leaves_the_event_in_hand_to_the_next_loop() -> None:
    desk = Desk()
    feed = desk.feed("a", "b")
    seen = []
    async for event in desk.stream:
        seen.append(event)
        break
    assert feed.finished == 0
    async for event in desk.stream:
        seen.append(event)
        break
    assert (seen, feed.finished) == (["a", "b"], 1)


@on_a_loop
async def test_skipped_events_are_not_handed_out_and_count_as_finished() -> None:
    desk = Desk()
    feed = desk.feed("a", "b", "c", "d", skip=lambda number: number in (0, 2, 3))
    assert await anext(desk.stream) == "b"
    assert feed.finished == 1
    desk.stream.close()
    with pytest.raises(StopAsyncIteration):
        await anext(desk.stream)
    assert (feed.finished, desk.finished) == (4, [feed])


@on_a_loop
async def test_a_feed_whose_events_are_all_skipped_is_finished() -> None:
    desk = Desk()
    feed = desk.feed("a", "b", skip=lambda number: True)
    waiting = asyncio.ensure_future(anext(desk.stream))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert desk.finished == [feed]
    desk.feed("c")
    assert await waiting == "c"


@on_a_loop
async def test_whether_to_skip_is_asked_when_the_event_is_due() -> None:
    gone: set[int] = set()
    desk = Desk()
    desk.feed("a", "b", "c", skip=lambda number: number in gone)
    assert await anext(desk.stream) == "a"
    gone.add(1)
    assert await anext(desk.stream) == "c"


@on_a_loop
async def test_closing_ends_the_iteration_of_who_waits() -> None:
    desk = Desk()
    waiting = asyncio.ensure_future(desk.stream.wait_for_events())
    await asyncio.sleep(0)
    desk.stream.close()
    assert await waiting is False
    assert [event async for event in desk.stream] == []


@on_a_loop
async def test_waiting_ends_with_the_next_feed() -> None:
    desk = Desk()
    waiting = asyncio.ensure_future(desk.stream.wait_for_events())
    await asyncio.sleep(0)
    desk.feed("a")
    assert await waiting is True
    assert desk.stream.has_events


@on_a_loop
async def test_a_handler_that_never_suspends_gives_up_the_loop() -> None:
    desk = Desk()
    desk.feed(*range(200))
    turns: list[int] = []
    seen: list[int] = []

    async def beside() -> None:
        while len(seen) < 200:
            turns.append(len(seen))
            await asyncio.sleep(0)

    other = asyncio.ensure_future(beside())
    for _ in range(200):
        seen.append(await anext(desk.stream))
        until = time.perf_counter() + 0.0002
        while time.perf_counter() < until:
            pass
    await other
    assert len(turns) > 3


@on_a_loop
async def test_a_timed_out_wait_for_an_event_does_not_end_the_stream() -> None:
    desk = Desk()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(desk.stream), 0.01)
    desk.feed("a")
    assert await anext(desk.stream) == "a"
