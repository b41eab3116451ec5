"""What every mailbox owes its senders, however its actor waits: in a thread, on a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

import pytest

from sabot.actors import Mailbox
from sabot.errors import ActorStoppedError, MailboxFullError
from sabot.testing import ManualClock

Consumer = Callable[[Mailbox, Callable[[Any], None]], None]


def in_a_thread(mailbox: Mailbox, handle: Callable[[Any], None]) -> None:
    """Take by blocking until the mailbox is over."""
    while True:
        try:
            handle(mailbox.get())
        except ActorStoppedError:
            return


def on_a_loop(mailbox: Mailbox, handle: Callable[[Any], None]) -> None:
    """Take without ever blocking, woken by the hook."""

    async def consume() -> None:
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        mailbox.on_message = lambda: loop.call_soon_threadsafe(woken.set)
        while True:
            woken.clear()
            try:
                handle(mailbox.get(0))
            except Empty:
                await woken.wait()
            except ActorStoppedError:
                mailbox.on_message = None
                return

    asyncio.run(consume())


@pytest.fixture(params=[in_a_thread, on_a_loop], ids=lambda consumer: consumer.__name__)
def consumer(request: pytest.FixtureRequest) -> Consumer:
    return request.param


@contextmanager
def running(target: Callable[[], object]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=target)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()


def test_nothing_is_lost_or_reordered_between_several_senders_and_one_actor(
    consumer: Consumer,
) -> None:
    mailbox = Mailbox(max_records=7, max_bytes=1 << 20)
    got: list[tuple[str, int]] = []

    def send(sender: str) -> None:
        for number in range(300):
            mailbox.put((sender, number), records=1 + number % 3)

    with running(lambda: consumer(mailbox, got.append)):
        senders = [threading.Thread(target=send, args=(name,)) for name in "abc"]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(20)
        mailbox.close()

    for name in "abc":
        assert [number for sender, number in got if sender == name] == list(range(300))


def test_a_slow_actor_holds_its_senders_back(consumer: Consumer) -> None:
    mailbox = Mailbox(max_records=2, max_bytes=1000)
    in_hand, go_on = threading.Event(), threading.Event()
    depths: list[int] = []

    def handle(message: Any) -> None:
        in_hand.set()
        assert go_on.wait(20)
        depths.append(mailbox.depth)

    with running(lambda: consumer(mailbox, handle)):
        mailbox.put("in hand")
        assert in_hand.wait(20)
        mailbox.put("a")
        mailbox.put("b")
        assert not mailbox.offer("c")
        with pytest.raises(MailboxFullError):
            mailbox.put("c", timeout=0)
        go_on.set()
        mailbox.put("c")
        mailbox.close()

    assert len(depths) == 4
    assert max(depths) <= 2


def test_control_is_seen_before_data_that_came_earlier(consumer: Consumer) -> None:
    mailbox = Mailbox(max_records=10, max_bytes=1000)
    in_hand, go_on = threading.Event(), threading.Event()
    got: list[str] = []

    def handle(message: str) -> None:
        got.append(message)
        in_hand.set()
        assert go_on.wait(20)

    with running(lambda: consumer(mailbox, handle)):
        mailbox.put("in hand")
        assert in_hand.wait(20)
        mailbox.put("data")
        mailbox.signal("cut")
        mailbox.close()
        mailbox.signal("last cut")
        go_on.set()

    assert got == ["in hand", "cut", "last cut", "data"]


def test_closing_frees_a_sender_that_waits_for_room() -> None:
    mailbox, clock = Mailbox(max_records=1, max_bytes=10, clock=(c := ManualClock())), c
    mailbox.put("a")
    outcome: list[type[BaseException]] = []

    def send() -> None:
        try:
            mailbox.put("b", timeout=60)
        except ActorStoppedError as error:
            outcome.append(type(error))

    with running(send):
        clock.wait_until_waiting()
        mailbox.close()

    assert outcome == [ActorStoppedError]


def test_a_sender_waits_no_longer_than_it_said() -> None:
    clock = ManualClock()
    mailbox = Mailbox(max_records=1, max_bytes=10, clock=clock)
    mailbox.put("a")
    outcome: list[type[BaseException]] = []

    def send() -> None:
        try:
            mailbox.put("b", timeout=60)
        except MailboxFullError as error:
            outcome.append(type(error))

    with running(send):
        clock.wait_until_waiting()
        clock.advance(60)

    assert outcome == [MailboxFullError]
    assert mailbox.depth == 1


def test_a_source_that_waits_for_room_goes_on_at_half() -> None:
    clock = ManualClock()
    mailbox = Mailbox(max_records=4, max_bytes=1000, clock=clock)
    for number in range(4):
        mailbox.put(number)
    outcome: list[tuple[bool, int]] = []

    with running(lambda: outcome.append((mailbox.wait_for_room(60), mailbox.depth))):
        clock.wait_until_waiting()
        mailbox.get()
        assert mailbox.is_full
        mailbox.get()

    assert outcome == [(True, 2)]


def test_a_source_that_waits_for_room_learns_that_there_is_none() -> None:
    clock = ManualClock()
    mailbox = Mailbox(max_records=1, max_bytes=1000, clock=clock)
    mailbox.put("a")
    outcome: list[bool] = []

    with running(lambda: outcome.append(mailbox.wait_for_room(5))):
        clock.wait_until_waiting()
        clock.advance(5)

    assert outcome == [False]


def test_a_big_message_gets_its_turn_though_the_mailbox_is_open_for_small_ones() -> None:
    clock = ManualClock()
    mailbox = Mailbox(max_records=4, max_bytes=1000, clock=clock)
    mailbox.put("a")
    mailbox.put("b")

    with running(lambda: mailbox.put("big", records=9, timeout=60)):
        clock.wait_until_waiting()
        assert [mailbox.get(), mailbox.get()] == ["a", "b"]

    assert mailbox.get(0) == "big"


def test_waiting_for_control_is_not_ended_by_data() -> None:
    clock = ManualClock()
    mailbox = Mailbox(max_records=4, max_bytes=1000, clock=clock)
    outcome: list[Any] = []

    with running(lambda: outcome.append(mailbox.take_control(60).message)):
        clock.wait_until_waiting()
        mailbox.put("data")
        assert outcome == []
        mailbox.signal("cut")

    assert outcome == ["cut"]


def test_an_actor_that_waits_gives_up_when_its_time_is_over() -> None:
    clock = ManualClock()
    mailbox = Mailbox(max_records=4, max_bytes=1000, clock=clock)
    outcome: list[type[BaseException]] = []

    def take() -> None:
        try:
            mailbox.get(2)
        except Empty as error:
            outcome.append(type(error))

    with running(take):
        clock.wait_until_waiting()
        clock.advance(2)

    assert outcome == [Empty]
