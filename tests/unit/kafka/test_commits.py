from __future__ import annotations

import threading

import pytest

from sabot.errors import CommitError
from sabot.kafka.commits import CommitPoint, CommitRequests, await_commit
from sabot.types import TopicPartition

POINTS = {TopicPartition("orders", 0): CommitPoint(5, 1)}


def test_what_is_committed_is_the_answer() -> None:
    requests = CommitRequests()
    answer = requests.ask(POINTS)
    requests.serve(lambda points, _within: {tp: point.offset for tp, point in points.items()})
    assert await_commit(answer, 5) == {TopicPartition("orders", 0): 5}


def test_nobody_waits_for_a_commit_that_does_not_come_back() -> None:
    requests, begun, goes_on = CommitRequests(), threading.Event(), threading.Event()
    in_hand, waiting = requests.ask(POINTS), requests.ask(POINTS)

    def commit(_points: object, _within: object) -> dict[TopicPartition, int]:
        begun.set()
        assert goes_on.wait(10)
        return {}

    reader = threading.Thread(target=requests.serve, args=[commit])
    reader.start()
    assert begun.wait(10)
    requests.abandon()
    for answer in (in_hand, waiting):
        with pytest.raises(CommitError):
            await_commit(answer, 5)
    # It comes back after all, to nobody.
    goes_on.set()
    reader.join(10)
    assert not reader.is_alive()
