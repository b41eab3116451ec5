from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from sabot.runtime.condition import Condition
from sabot.runtime.parent import LINK, ParentLink, Report, take_descriptor

WELL = Condition.of([])


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, int]]:
    """The parent's end, and the descriptor of the other."""
    mine, theirs = socket.socketpair()
    mine.settimeout(10)
    yield mine, theirs.detach()
    mine.close()


def test_the_parent_hears_at_once_and_at_the_end(pair: tuple[socket.socket, int]) -> None:
    parent, descriptor = pair
    said: list[str | None] = [None]
    link = ParentLink(
        descriptor, lambda: Report(WELL, Condition.of(["starting"]), None, said[-1]), never
    ).start()
    with parent.makefile("rb") as lines:
        first = msgspec.json.decode(lines.readline(), type=Report)
        said.append("it broke")
        link.close()
        last = msgspec.json.decode(list(lines)[-1], type=Report)
    assert (first.health, first.ready.reasons, first.failure) == (WELL, ("starting",), None)
    assert last.failure == "it broke"


def test_the_child_hears_that_the_parent_has_gone(pair: tuple[socket.socket, int]) -> None:
    parent, descriptor = pair
    gone = threading.Event()
    link = ParentLink(descriptor, lambda: Report(WELL, WELL), gone.set).start()
    parent.close()
    assert gone.wait(10)
    link.close()


def test_what_a_worker_starts_itself_is_not_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LINK, "7")
    assert take_descriptor() == 7
    assert take_descriptor() is None


def never() -> None:
    raise AssertionError("the parent is still there")
