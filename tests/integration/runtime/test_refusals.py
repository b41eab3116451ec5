"""Records the sink's broker refuses: rule 17, on a real broker."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from sabot.app.app import App
from sabot.errors import DeliveryError, ProcessingError
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

TWO_HOURS_MS = 2 * 3600 * 1000
FAR = 7
"""The row that is refused, in the middle of its producer's batch."""


def noise(length: int) -> str:
    """Return text that no compression makes small enough."""
    return secrets.token_hex(length // 2)


class Place:
    """A source with one record the sink's broker refuses, and where all may go."""

    def __init__(self, kafka: Kafka, values: list[Any], **options: Any) -> None:
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(
            kafka.unique("in"), 1, message_timestamp_after_max_ms=str(10 * TWO_HOURS_MS)
        )
        self.sink = kafka.create_topic(kafka.unique("out"), 1, max_message_bytes="5000")
        self.dead = kafka.create_topic(kafka.unique("dead"), 1, max_message_bytes="5000")
        kafka.produce(self.source, values, **options)

    def pipeline(self, **options: Any) -> Callable[[App], None]:
        def define(app: App) -> None:
            # All rows of a cut are one batch on the wire, uncompressed.
            app.stream(self.source, **FAST, **options).to_kafka(
                app.broker, self.sink, compression_type="none", linger_ms=50
            )

        return define


@pytest.fixture(params=["too late", "too large", "too large for the client"])
def place(kafka: Kafka, request: pytest.FixtureRequest) -> Place:
    now = int(time.time() * 1000)
    stamps = [now + n for n in range(20)]
    values = [{"n": n} for n in range(20)]
    if request.param == "too late":
        stamps[FAR] += TWO_HOURS_MS
    elif request.param == "too large":
        values[FAR]["text"] = noise(20_000)
    else:
        # The source's own producer takes a megabyte, the pipeline's adds to it.
        values[FAR]["text"] = noise(999_900)
    return Place(kafka, values, keys=[f"key-{n}" for n in range(20)], timestamps=stamps)


def arrived(kafka: Kafka, place: Place) -> list[int]:
    return [row["n"] for row in kafka.values(place.sink)]


def test_a_refused_record_fails_alone(kafka: Kafka, place: Place) -> None:
    with hosted(
        place.pipeline(error_handling_policy="skip"), kafka=kafka, group=place.group
    ) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 20})
        assert worker.pipeline().skipped == 1
        assert worker.stop() == ExitCode.OK
    assert arrived(kafka, place) == [n for n in range(20) if n != FAR]


def test_a_refused_record_can_be_dead_lettered(kafka: Kafka, place: Place) -> None:
    define = place.pipeline(error_handling_policy="dead_letter", dead_letter_topic=place.dead)
    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 20})
        assert worker.pipeline().dead_lettered == 1
        assert worker.stop() == ExitCode.OK
    assert arrived(kafka, place) == [n for n in range(20) if n != FAR]
    (letter,) = kafka.read_all(place.dead)
    headers = dict(letter.headers())
    assert headers["sabot-source-offset"] == str(FAR).encode()
    assert headers["sabot-error-class"].endswith(b"DeliveryError")
    assert letter.key() == f"key-{FAR}".encode()
    # What does not fit into the dead-letter topic either is cut off, and says so.
    (original,) = (m for m in kafka.read_all(place.source) if m.offset() == FAR)
    if len(original.value()) > 5000:
        assert headers["sabot-truncated"] == str(len(original.value())).encode()
        assert len(letter.value()) == 1024
        assert original.value().startswith(letter.value())
    else:
        assert letter.value() == original.value()


def test_by_default_a_refused_record_stops_the_worker(kafka: Kafka, place: Place) -> None:
    with hosted(place.pipeline(), kafka=kafka, group=place.group) as worker:
        assert worker.ends() == ExitCode.FAILED
        failure = worker.failure
    assert isinstance(failure, ProcessingError)
    assert f"{place.source}[0]@{FAR}" in str(failure)
    assert isinstance(failure.__cause__, DeliveryError)
    # It is not passed over by a commit, and nothing before it is lost.
    assert kafka.committed(place.group, place.source).get(0, 0) <= FAR
    assert set(range(FAR)) <= set(arrived(kafka, place))


@pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")
def test_an_agents_dead_letter_that_is_too_large_arrives_cut_off(kafka: Kafka) -> None:
    place = Place(kafka, [{"n": n, "text": noise(20_000 if n == FAR else 2)} for n in range(20)])

    def define(app: App) -> None:
        policy = {"error_handling_policy": "dead_letter", "dead_letter_topic": place.dead}

        @app.agent(place.source, name="picky", **FAST, **policy)
        async def picky(stream: Any) -> None:
            async for event in stream:
                if event["n"] == FAR:
                    raise ValueError("not this one")

    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 20})
        assert worker.stop() == ExitCode.OK
    (letter,) = kafka.read_all(place.dead)
    headers = dict(letter.headers())
    assert headers["sabot-source-offset"] == str(FAR).encode()
    assert int(headers["sabot-truncated"]) > 20_000
    assert letter.value() == kafka.read_all(place.source)[FAR].value()[: len(letter.value())]
