"""What one thread can see of a mailbox, compared with a model; threads are conformance."""

from __future__ import annotations

from queue import Empty
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sabot.actors import Bound, Mailbox
from sabot.errors import ActorStoppedError, ConfigurationError, MailboxFullError


@pytest.mark.parametrize("bounds", [(0, 10), (10, 0), (-1, 10)])
def test_a_mailbox_without_space_is_refused(bounds: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="at least one record"):
        Mailbox(*bounds)


def test_a_message_beyond_the_bound_passes_through_an_empty_mailbox_only() -> None:
    mailbox = Mailbox(max_records=10, max_bytes=100)

    assert mailbox.offer("huge", records=50, size=5000)
    assert not mailbox.offer("huge too", records=50, size=5000)
    assert mailbox.get() == "huge"
    assert mailbox.offer("huge too", records=50, size=5000)


def test_bytes_bound_a_mailbox_as_records_do() -> None:
    mailbox = Mailbox(max_records=1000, max_bytes=100)

    assert mailbox.offer("a", size=60)
    assert not mailbox.offer("b", size=60)
    assert mailbox.is_full


def test_messages_without_records_do_not_pile_up_without_end() -> None:
    mailbox = Mailbox(max_records=3, max_bytes=100)

    assert [mailbox.offer(n, records=0) for n in range(5)] == [True] * 3 + [False] * 2


def test_a_full_mailbox_opens_again_at_half_and_not_before() -> None:
    mailbox = Mailbox(max_records=4, max_bytes=1000)
    for number in range(4):
        mailbox.offer(number)
    opened = []
    while mailbox.depth:
        mailbox.get()
        opened.append((mailbox.depth, mailbox.has_room()))

    assert mailbox.reopen_at == Bound(2, 500)
    assert opened == [(3, False), (2, True), (1, True), (0, True)]


def test_a_refused_message_makes_the_mailbox_full_until_something_is_taken() -> None:
    mailbox = Mailbox(max_records=10, max_bytes=1000)
    mailbox.offer("a", records=3)
    assert not mailbox.is_full
    assert not mailbox.offer("b", records=9)
    assert mailbox.is_full
    mailbox.get()

    assert mailbox.has_room()


def test_control_overtakes_data_and_keeps_its_own_order() -> None:
    mailbox = Mailbox(max_records=2, max_bytes=10)
    mailbox.offer("data")
    mailbox.signal("first")
    mailbox.signal("second")

    assert [mailbox.get(0) for _ in range(3)] == ["first", "second", "data"]


def test_control_passes_a_full_mailbox() -> None:
    mailbox = Mailbox(max_records=1, max_bytes=10)
    mailbox.offer("data")
    for number in range(100):
        mailbox.signal(number)

    assert mailbox.depth == 1
    assert mailbox.take_control(0).message == 0


def test_taking_control_leaves_data_alone() -> None:
    mailbox = Mailbox(max_records=2, max_bytes=10)
    mailbox.offer("data")
    with pytest.raises(Empty):
        mailbox.take_control(0)

    assert mailbox.depth == 1


def test_putting_into_a_full_mailbox_without_waiting_says_how_full_it_is() -> None:
    mailbox = Mailbox(max_records=2, max_bytes=10)
    mailbox.owner = "orders"
    mailbox.put("a", records=2)

    with pytest.raises(MailboxFullError, match=r"'orders' had no room .* 2 of 2 records"):
        mailbox.put("b", timeout=0)


def test_dropping_messages_makes_room() -> None:
    mailbox = Mailbox(max_records=4, max_bytes=1000)
    for number in range(4):
        mailbox.offer(number, size=10)

    assert mailbox.drop_if(lambda number: number % 2 == 0) == 2
    assert (mailbox.depth, mailbox.bytes, mailbox.has_room()) == (2, 20, True)
    assert [mailbox.get(0), mailbox.get(0)] == [1, 3]


def test_a_predicate_that_raises_drops_nothing() -> None:
    mailbox = Mailbox(max_records=4, max_bytes=1000)
    mailbox.offer(1)
    mailbox.offer("not a number")

    with pytest.raises(TypeError):
        mailbox.drop_if(lambda number: number > 0)
    assert mailbox.depth == 2


def test_a_closed_mailbox_hands_out_what_is_left_and_then_says_that_it_is_over() -> None:
    mailbox = Mailbox(max_records=4, max_bytes=1000)
    mailbox.offer("left")

    assert mailbox.close() == 0
    with pytest.raises(ActorStoppedError):
        mailbox.offer("late")
    with pytest.raises(ActorStoppedError):
        mailbox.put("late")
    with pytest.raises(ActorStoppedError):
        mailbox.wait_for_room(0)
    mailbox.signal("cut")
    assert [mailbox.get(), mailbox.get()] == ["cut", "left"]
    with pytest.raises(ActorStoppedError):
        mailbox.get()


def test_closing_without_draining_throws_data_away_and_keeps_control() -> None:
    mailbox = Mailbox(max_records=4, max_bytes=1000)
    mailbox.offer("a")
    mailbox.signal("cut")

    assert mailbox.close(drain=False) == 1
    assert mailbox.get() == "cut"
    assert (mailbox.depth, mailbox.bytes) == (0, 0)


def test_an_ended_mailbox_returns_what_was_left_and_takes_nothing() -> None:
    mailbox = Mailbox(max_records=4, max_bytes=1000)
    mailbox.offer("data")
    mailbox.signal("cut")

    assert [envelope.message for envelope in mailbox.end()] == ["cut", "data"]
    assert mailbox.end() == []
    with pytest.raises(ActorStoppedError):
        mailbox.signal("late")


def test_the_hook_is_called_for_what_was_taken_and_for_the_close() -> None:
    calls: list[str] = []
    mailbox = Mailbox(max_records=1, max_bytes=10, on_message=lambda: calls.append("called"))
    mailbox.offer("a")
    mailbox.offer("refused")
    mailbox.signal("b")
    mailbox.close()

    assert len(calls) == 3


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 120)), max_size=60))
def test_the_bound_is_passed_by_a_single_message_only(sizes: list[tuple[int, int]]) -> None:
    mailbox = Mailbox(max_records=10, max_bytes=100)
    held = 0
    for records, size in sizes:
        if mailbox.offer(None, records=records, size=size):
            held += 1
        else:
            mailbox.get(0)
            held -= 1
        within = mailbox.depth <= 10 and mailbox.bytes <= 100
        assert within or held == 1


class MailboxModel(RuleBasedStateMachine):
    """Two lists and four sums say what a mailbox may do."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(max_records=8, max_bytes=80)
        self.data: list[tuple[int, int, int]] = []
        self.control: list[int] = []
        self.full = self.closed = self.ended = False
        self.number = 0

    @property
    def depth(self) -> int:
        return sum(records for _, records, _ in self.data)

    @property
    def bytes(self) -> int:
        return sum(size for _, _, size in self.data)

    def reopen(self) -> None:
        if self.depth <= 4 and self.bytes <= 40:
            self.full = False

    @rule(records=st.integers(0, 10), size=st.integers(0, 100), waiting=st.booleans())
    def send(self, records: int, size: int, waiting: bool) -> None:
        self.number += 1
        if self.closed:
            with pytest.raises(ActorStoppedError):
                self.mailbox.offer(self.number)
            return
        counted = max(records, 1)
        fits = not self.data or (self.depth + counted <= 8 and self.bytes + size <= 80)
        assert self.send_by(waiting, records, size) is fits
        if fits:
            self.data.append((self.number, counted, size))
        self.full = self.full or not fits or self.depth >= 8 or self.bytes >= 80

    def send_by(self, waiting: bool, records: int, size: int) -> bool:
        if not waiting:
            return self.mailbox.offer(self.number, records=records, size=size)
        try:
            self.mailbox.put(self.number, records=records, size=size, timeout=0)
        except MailboxFullError:
            return False
        return True

    @rule()
    def signal(self) -> None:
        self.number += 1
        if self.ended:
            with pytest.raises(ActorStoppedError):
                self.mailbox.signal(self.number)
        else:
            self.mailbox.signal(self.number)
            self.control.append(self.number)

    @rule()
    def get(self) -> None:
        expected: Any
        if self.control:
            expected = self.control.pop(0)
        elif self.data:
            expected = self.data.pop(0)[0]
            self.reopen()
        else:
            with pytest.raises(ActorStoppedError if self.closed else Empty):
                self.mailbox.get(0)
            return
        assert self.mailbox.get(0) == expected

    @rule()
    def take_control(self) -> None:
        if self.control:
            envelope = self.mailbox.take_control(0)
            assert (envelope.message, envelope.control) == (self.control.pop(0), True)
        else:
            with pytest.raises(Empty):
                self.mailbox.take_control(0)

    @rule(divisor=st.integers(2, 4))
    def drop(self, divisor: int) -> None:
        kept = [entry for entry in self.data if entry[0] % divisor]
        assert self.mailbox.drop_if(lambda n: n % divisor == 0) == len(self.data) - len(kept)
        if len(kept) < len(self.data):
            self.data = kept
            self.reopen()

    @precondition(lambda self: self.number > 20)
    @rule(drain=st.booleans())
    def close(self, drain: bool) -> None:
        thrown = 0 if drain else len(self.data)
        assert self.mailbox.close(drain=drain) == thrown
        self.closed = True
        if not drain:
            self.data = []
            self.full = False

    @precondition(lambda self: self.closed)
    @rule()
    def end(self) -> None:
        left = [*self.control, *(number for number, _, _ in self.data)]
        assert [envelope.message for envelope in self.mailbox.end()] == left
        self.control, self.data = [], []
        self.full, self.ended = False, True

    @invariant()
    def counts_agree(self) -> None:
        assert (self.mailbox.depth, self.mailbox.bytes) == (self.depth, self.bytes)
        assert self.mailbox.is_full is self.full
        assert self.mailbox.has_room() is not self.full
        assert self.mailbox.has_control is bool(self.control)


TestMailboxModel = pytest.mark.slow(MailboxModel.TestCase)
