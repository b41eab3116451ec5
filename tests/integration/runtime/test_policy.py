"""What becomes of records that fail, on a real broker: rules 5 and 19."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.errors import ProcessingError
from sabot.runtime.exit_codes import ExitCode
from sabot.testing import FaultProxy, hold
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow


class Place:
    """Names for one test: a source of one partition, a sink, a topic for dead letters."""

    def __init__(self, kafka: Kafka, partitions: int = 1) -> None:
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(kafka.unique("in"), partitions)
        self.sink = kafka.create_topic(kafka.unique("out"), partitions)
        self.dead = kafka.create_topic(kafka.unique("dead"), 1)


@pytest.fixture
def place(kafka: Kafka) -> Place:
    return Place(kafka)


def refusing(
    wanted: Callable[[int], bool], error: type[Exception] = ValueError
) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """Return a step that raises for the rows whose ``n`` is unwanted."""

    def check(batch: pa.RecordBatch) -> pa.RecordBatch:
        for number in batch.column("n").to_pylist():
            if wanted(number):
                raise error(f"cannot take {number}")
        return batch

    return check


def only(number: int) -> Callable[[int], bool]:
    return lambda n: n == number


def pipeline(place: Place, step: Any, **options: Any) -> Callable[[App], None]:
    def define(app: App) -> None:
        app.stream(place.source, **FAST, **options).map(step, name="check").to_kafka(
            app.broker, place.sink
        )

    return define


def numbers(kafka: Kafka, topic: str) -> list[int]:
    return [row["n"] for row in kafka.values(topic)]


def test_by_default_what_cannot_be_decoded_is_skipped(kafka: Kafka, place: Place) -> None:
    kafka.produce(place.source, [{"n": 0}, b"no json", {"n": 2}])
    with hosted(pipeline(place, lambda b: b), kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 3})
        assert worker.pipeline().skipped == 1
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, place.sink) == [0, 2]


def test_by_default_a_step_that_raises_stops_the_worker_at_that_record(
    kafka: Kafka, place: Place
) -> None:
    kafka.produce(place.source, [{"n": n} for n in range(20)], keys=[f"key-{n}" for n in range(20)])
    failing = pipeline(place, refusing(only(5)))
    with hosted(failing, kafka=kafka, group=place.group) as worker:
        assert worker.ends() == ExitCode.FAILED
        error = worker.failure
    assert isinstance(error, ProcessingError)
    where = f"{place.source}[0]@5"
    assert (error.where, error.key) == (where, b"key-5")
    assert f"step 'check' failed for {where}, key b'key-5'" in str(error)
    assert "ValueError: cannot take 5" in str(error)
    assert isinstance(error.__cause__, ValueError)
    assert numbers(kafka, place.sink) == [0, 1, 2, 3, 4]
    assert kafka.committed(place.group, place.source) == {0: 5}

    with hosted(pipeline(place, lambda b: b), kafka=kafka, group=place.group) as repaired:
        repaired.await_committed(kafka, place.group, place.source, {0: 20})
        assert repaired.stop() == ExitCode.OK
    assert numbers(kafka, place.sink) == list(range(20))


def test_a_failure_stops_other_partitions_without_losing_or_repeating_a_row(kafka: Kafka) -> None:
    place = Place(kafka, 2)
    for partition in (0, 1):
        rows = [{"n": 100 * partition + n} for n in range(20)]
        kafka.produce(place.source, rows, partition=partition)
    with hosted(pipeline(place, refusing(only(5))), kafka=kafka, group=place.group) as worker:
        assert worker.ends() == ExitCode.FAILED
    assert kafka.committed(place.group, place.source)[0] == 5
    with hosted(pipeline(place, lambda b: b), kafka=kafka, group=place.group) as repaired:
        repaired.await_committed(kafka, place.group, place.source, {0: 20, 1: 20})
        assert repaired.stop() == ExitCode.OK
    assert sorted(numbers(kafka, place.sink)) == [*range(20), *range(100, 120)]


def test_an_explicit_skip_covers_decoding_and_steps(kafka: Kafka, place: Place) -> None:
    kafka.produce(place.source, [{"n": 0}, b"no json", {"n": 2}, {"n": 3}, {"n": 4}])
    define = pipeline(place, refusing(only(3)), error_handling_policy="skip")
    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 5})
        assert worker.pipeline().skipped == 2
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, place.sink) == [0, 2, 4]


def test_an_explicit_fail_covers_decoding_too(kafka: Kafka, place: Place) -> None:
    kafka.produce(place.source, [{"n": 0}, {"n": 1}, b"no json", {"n": 3}])
    define = pipeline(place, lambda b: b, error_handling_policy="fail")
    with hosted(define, kafka=kafka, group=place.group) as worker:
        assert worker.ends() == ExitCode.FAILED
        assert f"{place.source}[0]@2" in str(worker.failure)
    assert numbers(kafka, place.sink) == [0, 1]
    assert kafka.committed(place.group, place.source) == {0: 2}


def test_a_dead_letter_is_the_record_as_it_was_and_says_why(kafka: Kafka, place: Place) -> None:
    value = b'{ "n": 1,   "odd": "spacing" }'
    kafka.produce(
        place.source,
        [b'{"n": 0}', value, b"no json", b'{"n": 3}'],
        keys=["k0", "k1", "k2", "k3"],
        timestamps=[1_700_000_000_000 + n for n in range(4)],
        headers=[("trace", b"\x00\x01"), ("trace", None)],
    )
    define = pipeline(
        place,
        refusing(only(1)),
        error_handling_policy="dead_letter",
        dead_letter_topic=place.dead,
    )
    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 4})
        # What is committed has arrived before, dead letters too.
        letters = kafka.read_all(place.dead)
        assert worker.pipeline().dead_lettered == 2
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, place.sink) == [0, 3]
    by_key = {letter.key(): letter for letter in letters}
    assert {key: letter.value() for key, letter in by_key.items()} == {
        b"k1": value,
        b"k2": b"no json",
    }
    letter = by_key[b"k1"]
    assert letter.timestamp()[1] == 1_700_000_000_001
    assert letter.headers()[:2] == [("trace", b"\x00\x01"), ("trace", None)]
    added = dict(letter.headers()[2:])
    assert added["sabot-source-topic"] == place.source.encode()
    assert added["sabot-source-partition"] == b"0"
    assert added["sabot-source-offset"] == b"1"
    assert added["sabot-source-timestamp"] == b"1700000000001"
    assert added["sabot-error-class"] == b"builtins.ValueError"
    assert added["sabot-error-message"] == b"cannot take 1"
    assert added["sabot-step"] == b"check"
    assert added["sabot-attempt"] == b"1"
    assert added["sabot-application"] == place.group.encode()


def test_nothing_is_committed_before_its_dead_letter_has_arrived(
    kafka_behind_proxy: Kafka, proxy: FaultProxy
) -> None:
    kafka = kafka_behind_proxy
    place = Place(kafka)
    kafka.produce(place.source, [b"\xff no text", b"1"])

    def define(app: App) -> None:
        rows = app.stream(
            place.source,
            bootstrap_servers=proxy.bootstrap,
            # It infers nothing, and so has no schema to write.
            codec_type="string",
            error_handling_policy="dead_letter",
            dead_letter_topic=place.dead,
            **FAST,
        )
        # Past the proxy: what that holds are the dead letters alone.
        rows.to_kafka(kafka.bootstrap, place.sink, codec_type="string")

    held = proxy.on("Produce", hold(), times=None)
    with hosted(define, kafka=kafka, group=place.group) as worker:
        held.wait()
        kafka.read(place.sink, 1)
        # A second row arrives, and with it the time for another cut has passed.
        kafka.produce(place.source, [b"2"])
        kafka.read(place.sink, 2)
        assert kafka.committed(place.group, place.source) == {}
        assert kafka.read_all(place.dead) == []
        proxy.heal()
        worker.await_committed(kafka, place.group, place.source, {0: 3})
        assert [each.value() for each in kafka.read_all(place.dead)] == [b"\xff no text"]
        assert worker.stop() == ExitCode.OK


@pytest.mark.parametrize(("rate", "lines"), [(0.0, 1), (1.0, 5)])
def test_a_sample_of_what_is_skipped_is_logged_and_all_of_it_counted(
    kafka: Kafka, place: Place, caplog: pytest.LogCaptureFixture, rate: float, lines: int
) -> None:
    kafka.produce(place.source, [*[b"no json"] * 5, {"n": 1}])
    define = pipeline(place, lambda b: b, error_sample_rate=rate)
    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 6})
        assert worker.pipeline().skipped == 5
        assert worker.stop() == ExitCode.OK
    said = [record.getMessage() for record in caplog.records]
    assert sum("record skipped" in line for line in said) == lines


@pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")
def test_an_event_that_an_agent_cannot_handle_is_dead_lettered_too(
    kafka: Kafka, place: Place
) -> None:
    kafka.produce(place.source, [{"n": n} for n in range(6)])
    handled: list[int] = []

    def define(app: App) -> None:
        @app.agent(
            place.source,
            name="handler",
            **FAST,
            error_handling_policy="dead_letter",
            dead_letter_topic=place.dead,
        )
        async def handle(stream: Any) -> None:
            async for event in stream:
                if event["n"] == 3:
                    raise KeyError("price")
                handled.append(event["n"])

    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 6})
        assert worker.stop() == ExitCode.OK
    assert handled == [0, 1, 2, 4, 5]
    (letter,) = kafka.read_all(place.dead)
    assert letter.value() == b'{"n": 3}'
    assert dict(letter.headers())["sabot-error-class"] == b"builtins.KeyError"


def test_retry_tries_until_the_record_passes(kafka: Kafka, place: Place) -> None:
    kafka.produce(place.source, [{"n": n} for n in range(8)])
    tries: list[int] = []

    def stubborn(number: int) -> bool:
        if number == 3:
            tries.append(number)
        # The batch, its halves down to the row, and then two tries of the row alone.
        return number == 3 and len(tries) < 7

    define = pipeline(
        place,
        refusing(stubborn),
        error_handling_policy="retry",
        max_retry_attempts=20,
        retry_backoff_seconds=0.02,
    )
    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 8})
        assert worker.pipeline().skipped == 0
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, place.sink) == list(range(8))


def test_what_retry_cannot_help_is_dead_lettered_with_its_attempts(
    kafka: Kafka, place: Place
) -> None:
    kafka.produce(place.source, [{"n": n} for n in range(8)])
    define = pipeline(
        place,
        refusing(only(3)),
        error_handling_policy="retry",
        max_retry_attempts=2,
        retry_backoff_seconds=0.02,
        dead_letter_topic=place.dead,
    )
    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_committed(kafka, place.group, place.source, {0: 8})
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, place.sink) == [0, 1, 2, 4, 5, 6, 7]
    (letter,) = kafka.read_all(place.dead)
    assert letter.value() == b'{"n": 3}'
    assert dict(letter.headers())["sabot-attempt"] == b"3"


def test_without_a_dead_letter_topic_a_retry_in_vain_fails(kafka: Kafka, place: Place) -> None:
    kafka.produce(place.source, [{"n": n} for n in range(8)])
    define = pipeline(
        place,
        refusing(only(3)),
        error_handling_policy="retry",
        max_retry_attempts=2,
        retry_backoff_seconds=0.02,
    )
    with hosted(define, kafka=kafka, group=place.group) as worker:
        assert worker.ends() == ExitCode.FAILED
        assert f"{place.source}[0]@3" in str(worker.failure)
    assert numbers(kafka, place.sink) == [0, 1, 2]
    assert kafka.committed(place.group, place.source) == {0: 3}


def test_an_error_of_the_world_is_waited_out_whatever_the_policy(kafka: Kafka) -> None:
    policies: tuple[str | None, ...] = (None, "skip", "fail", "retry", "dead_letter")
    places = {policy: Place(kafka) for policy in policies}
    group = kafka.unique("g")
    left = dict.fromkeys(policies, 2)

    def flaky(policy: str | None) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        def call(batch: pa.RecordBatch) -> pa.RecordBatch:
            if left[policy]:
                left[policy] -= 1
                raise ConnectionRefusedError("the database is down")
            return batch

        return call

    def define(app: App) -> None:
        for policy, place in places.items():
            app.stream(
                place.source,
                **FAST,
                group_id=f"{group}-{policy}",
                error_handling_policy=policy,
                dead_letter_topic=place.dead,
            ).map(flaky(policy)).to_kafka(app.broker, place.sink)

    for place in places.values():
        # One row: nothing but its cause can tell whose fault it is.
        kafka.produce(place.source, [{"n": 0}])
    with hosted(define, kafka=kafka, group=group) as worker:
        for policy, place in places.items():
            worker.await_committed(kafka, f"{group}-{policy}", place.source, {0: 1})
        assert [each.skipped for each in worker.statistics.pipelines] == [0] * 5
        assert worker.stop() == ExitCode.OK
    assert not any(left.values())
    for place in places.values():
        assert numbers(kafka, place.sink) == [0]
        assert kafka.read_all(place.dead) == []


def test_a_row_that_is_retried_withholds_its_partition_and_no_other(kafka: Kafka) -> None:
    place = Place(kafka, 2)
    kafka.produce(place.source, [{"n": n} for n in range(60)], partition=0)
    kafka.produce(place.source, [{"n": 100 + n} for n in range(60)], partition=1)
    queued, repaired = threading.Event(), threading.Event()
    check = refusing(lambda n: n == 5 and not repaired.is_set())

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        # The rows behind the one that fails are in the mailbox before it does.
        assert queued.wait(30)
        return check(batch)

    def define(app: App) -> None:
        rows = app.stream(
            place.source,
            **FAST,
            batch_size=20,
            error_handling_policy="retry",
            max_retry_attempts=100_000,
            retry_backoff_seconds=0.02,
        )
        rows.map(step).to_kafka(app.broker, place.sink, key_extractor=side)

    def side(row: dict[str, Any]) -> bytes:
        # Two keys that go to different partitions; which is which does not matter.
        return b"a" if row["n"] < 100 else b"b"

    with hosted(define, kafka=kafka, group=place.group) as worker:
        until(
            lambda: worker.statistics.pipelines and worker.pipeline().depth >= 100,
            what="all other rows in the mailbox",
        )
        queued.set()
        until(
            lambda: kafka.committed(place.group, place.source) == {0: 5, 1: 60},
            what="p1 done while p0 waits at its row 5",
            every=0.05,
        )
        seen = numbers(kafka, place.sink)
        assert sorted(seen) == [0, 1, 2, 3, 4, *range(100, 160)]
        # Later records of p0 wait as well; those of p1 still pass.
        kafka.produce(place.source, [{"n": n} for n in range(60, 70)], partition=0)
        kafka.produce(place.source, [{"n": 160}], partition=1)
        worker.await_committed(kafka, place.group, place.source, {0: 5, 1: 61})
        assert len(numbers(kafka, place.sink)) == 66
        repaired.set()
        worker.await_committed(kafka, place.group, place.source, {0: 70, 1: 61})
        assert worker.stop() == ExitCode.OK
    arrived = numbers(kafka, place.sink)
    assert [n for n in arrived if n < 100] == list(range(70))
    assert [n for n in arrived if n >= 100] == list(range(100, 161))


def test_dead_letters_are_written_with_the_credentials_of_the_source(
    kafka: Kafka, place: Place
) -> None:
    kafka.produce(place.source, [b"no json", {"n": 1}])
    credentials: dict[str, Any] = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "alice",
        "sasl_password": "alice-secret",
    }
    address = kafka.sasl_bootstrap

    def define(app: App) -> None:
        rows = Stream.from_kafka(
            address,
            place.source,
            place.group,
            error_handling_policy="dead_letter",
            dead_letter_topic=place.dead,
            **FAST,
            **credentials,
        )
        app.add(rows.to_kafka(address, place.sink, **credentials))

    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_sent(1)
        kafka.read(place.dead, 1)
        assert worker.stop() == ExitCode.OK
    assert [m.value() for m in kafka.read_all(place.dead)] == [b"no json"]
