"""A slow reader holds up its own topic, not its neighbour and not the group."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from sabot.types import RawBatch
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 6.0
"""A group forgets a member that has not polled for this long."""


ROWS = 12_000
BATCH = 100


def records_held(topic: str) -> int:
    """Return how many records of a topic are in this process outside the client."""
    batches = (each for each in gc.get_objects() if isinstance(each, RawBatch))
    return len({id(r) for raw in batches for r in raw.records if r.topic() == topic})


def test_a_slow_function_pauses_its_topic_alone_and_keeps_its_place_in_the_group(
    kafka: Kafka,
) -> None:
    group = kafka.unique("g")
    slow_topic, live_topic = (kafka.create_topic(kafka.unique(name), 2) for name in "ab")
    sink = kafka.create_topic(kafka.unique("out"), 2)
    kafka.produce(slow_topic, [{"n": n} for n in range(ROWS)])
    opened, entered = threading.Event(), threading.Event()
    handled: list[int] = []

    def slow(row: dict[str, Any]) -> None:
        entered.set()
        assert opened.wait(60)
        handled.append(row["n"])

    def define(app: App) -> None:
        patience = int(PATIENCE_SECONDS * 1000)
        options = FAST | {"max_poll_interval_ms": patience, "batch_size": BATCH}
        app.stream(slow_topic, **options).for_each(slow)
        app.stream(live_topic, **options).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as worker:
        try:
            assert entered.wait(30)
            kafka.await_group(group)
            (before,) = kafka.group_members(group)
            until(lambda: worker.pipeline().depth >= 1900, what="a mailbox that is full")
            start, sent = time.monotonic(), 0
            while time.monotonic() < start + PATIENCE_SECONDS + 2:
                kafka.produce(live_topic, [{"n": sent}])
                sent += 1
                worker.await_sent(sent, timeout=2)  # the slow one has sent none
                assert worker.pipeline().depth <= worker.pipeline().depth_bound
            # The bound holds for all that was taken from the client, not the mailbox alone.
            bound = worker.pipeline().depth_bound
            assert bound < ROWS / 4
            assert 1900 <= records_held(slow_topic) <= bound + 4 * BATCH
            (after,) = kafka.group_members(group)
            assert after.member_id == before.member_id
        finally:
            opened.set()
        until(lambda: len(handled) >= ROWS, what="all rows handled")
        assert worker.stop() == ExitCode.OK
    # Nothing was read twice, as it would have been after a rebalance.
    assert sorted(handled) == list(range(ROWS))
    assert sorted(row["n"] for row in kafka.values(sink)) == list(range(sent))
    assert sum(kafka.committed(group, slow_topic).values()) == ROWS
