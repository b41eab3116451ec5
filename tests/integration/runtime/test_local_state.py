"""State on the embedded broker: in the worker's process, and as of its commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from sabot.app.app import App
from sabot.errors import ConfigurationError
from sabot.kafka.embedded import resolve_bootstrap, stop_embedded
from sabot.plan.outputs import collecting
from tests.workers import FAST, RunningWorker, quick

pytestmark = pytest.mark.slow

COUNT, KEYS = 200, 5


@pytest.fixture
def embedded() -> Iterator[str]:
    yield resolve_bootstrap("embedded://")
    stop_embedded()


def send(address: str) -> None:
    producer = Producer({"bootstrap.servers": address})
    for number in range(COUNT):
        producer.produce("visits", b'{"n": 1}', b"%d" % (number % KEYS))
    assert producer.flush(10) == 0


def app(broker: str, seen: list[Any], **options: Any) -> App:
    made = App("counting", broker=broker, settings=quick(), **options)
    visits = made.stream("visits", **FAST)
    counted = visits.stateful(
        lambda state, _: ((state or 0) + 1, {"n": (state or 0) + 1}), store="n"
    )
    counted.for_each(lambda row: seen.append(row["n"]))
    return made


@pytest.mark.parametrize("by_address", [False, True])
def test_a_step_counts_by_key(embedded: str, by_address: bool) -> None:
    send(embedded)
    seen: list[int] = []
    with collecting():
        worker = app(embedded if by_address else "embedded://", seen).worker()
    with RunningWorker(worker) as running:
        running.await_sent(COUNT)
        assert running.stop() == 0
    each = COUNT // KEYS
    assert sorted(seen) == sorted(list(range(1, each + 1)) * KEYS)


def test_exactly_once_is_refused_by_whatever_address(embedded: str) -> None:
    with collecting():
        worker = app(embedded, [], processing_guarantee="exactly_once").worker()
    with RunningWorker(worker) as running:
        assert running.ends() != 0
    assert isinstance(running.failure, ConfigurationError)
    assert "embedded broker" in str(running.failure)
