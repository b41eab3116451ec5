"""Dead letters on a real broker: counted, shown, sent back, and taken by their step alone."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from sabot.app.app import App
from sabot.cli.main import main
from sabot.kafka.admin import read_through
from sabot.kafka.dead_letters import letter_of
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow


class Place:
    """Names for one test."""

    def __init__(self, kafka: Kafka) -> None:
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(kafka.unique("orders"))
        self.left = kafka.create_topic(kafka.unique("left"))
        self.right = kafka.create_topic(kafka.unique("right"))
        self.dead = kafka.create_topic(kafka.unique("dead"))
        self.retry = kafka.create_topic(f"{self.source}-retry-{self.group}")


@pytest.fixture
def place(kafka: Kafka) -> Place:
    return Place(kafka)


def dlq(capsys: pytest.CaptureFixture[str], kafka: Kafka, *arguments: str) -> tuple[str, str]:
    capsys.readouterr()
    code = main(["dlq", *arguments, "--broker", kafka.bootstrap])
    done = capsys.readouterr()
    assert code == ExitCode.OK, done.err
    return done.out, done.err


def numbers(kafka: Kafka, topic: str) -> list[int]:
    return sorted(row["n"] for row in kafka.values(topic))


def test_a_replayed_record_takes_the_failing_branch_alone(
    kafka: Kafka, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.produce(
        place.source,
        [{"n": n} for n in range(20)],
        keys=[f"k{n}" for n in range(20)],
        timestamps=[1_700_000_000_000 + n for n in range(20)],
        headers=[("trace", b"abc")],
    )
    mended: list[bool] = []

    def picky(batch: pa.RecordBatch) -> pa.RecordBatch:
        if not mended and any(n % 10 == 7 for n in batch["n"].to_pylist()):
            raise ValueError("seven")
        return batch

    def define(app: App) -> None:
        rows = app.stream(
            place.source,
            error_handling_policy="dead_letter",
            dead_letter_topic=place.dead,
            retry_topic=place.retry,
            **FAST,
        )
        rows.map(picky, name="picky").to_kafka(app.broker, place.left)
        rows.to_kafka(app.broker, place.right)

    with hosted(define, kafka=kafka, group=place.group) as worker:
        worker.await_sent(38)
        kafka.read(place.dead, 2)
        out, _ = dlq(capsys, kafka, "ls", place.dead)
        assert [line.split()[:4] for line in out.splitlines()[1:]] == [
            ["2", "ValueError", "picky", place.source]
        ]
        where = f"--where=step == 'picky' and topic == '{place.source}' and key == 'k7'"
        out, _ = dlq(capsys, kafka, "show", place.dead, where)
        assert '    {"n": 7}' in out.splitlines()
        assert "error    builtins.ValueError: seven" in out
        assert "header   trace = abc" in out

        _, said = dlq(capsys, kafka, "replay", place.dead, "--dry-run")
        assert said == f"would replay 2 to {place.retry!r}\n"
        assert kafka.read_all(place.retry) == []
        # Still broken: both come back, one step older.
        dlq(capsys, kafka, "replay", place.dead)
        kafka.read(place.dead, 4)
        mended.append(True)
        _, said = dlq(capsys, kafka, "replay", place.dead, "--where", "replays == 1")
        assert said == f"replayed 2 dead letters: 2 to {place.retry!r}\n"
        worker.await_sent(40)
        assert worker.stop() == ExitCode.OK
    assert numbers(kafka, place.left) == list(range(20))
    assert numbers(kafka, place.right) == list(range(20))
    sent = {m.key(): m for m in kafka.read_all(place.left)}
    assert sent[b"k7"].timestamp()[1] == 1_700_000_000_007
    again = [
        m for m in kafka.read_all(place.retry) if dict(m.headers())["sabot-replay-attempt"] == b"2"
    ]
    assert sorted(m.value() for m in again) == [b'{"n": 17}', b'{"n": 7}']
    assert {m.headers()[0] for m in again} == {("trace", b"abc")}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_agent_takes_its_own_dead_letters_when_they_come_back(
    kafka: Kafka, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.produce(place.source, [{"n": n} for n in range(4)] + [b"{"], keys=[*"abcde"])
    mended: list[bool] = []
    seen: list[tuple[str, int]] = []
    others: list[int] = []

    def define(app: App) -> None:
        options = {
            "error_handling_policy": "dead_letter",
            "dead_letter_topic": place.dead,
            "retry_topic": place.retry,
            **FAST,
        }

        @app.agent(place.source, key_codec_type="string", **options)
        async def picky(events: Any) -> None:
            async for event in events:
                if event["n"] == 2 and not mended:
                    raise ValueError("two")
                seen.append((event["key"], event["n"]))

        @app.agent(place.source, **options)
        async def easy(events: Any) -> None:
            async for event in events:
                others.append(event["n"])

    with hosted(define, kafka=kafka, group=place.group) as worker:
        kafka.read(place.dead, 3)
        until(lambda: len(others) == 4, what="the other agent to be done")
        out, _ = dlq(capsys, kafka, "ls", place.dead)
        steps = sorted(line.split()[1:3] for line in out.splitlines()[1:])
        assert steps == [
            ["DecodeError", "agent:easy"],
            ["DecodeError", "agent:picky"],
            ["ValueError", "agent:picky"],
        ]
        mended.append(True)
        dlq(capsys, kafka, "replay", place.dead, "--where", "error == 'ValueError'")
        until(lambda: ("c", 2) in seen, what="the dead letter's second try")
        # What cannot be decoded comes back to each agent's letters, and to no other's.
        dlq(capsys, kafka, "replay", place.dead, "--where", "error == 'DecodeError'")
        kafka.read(place.dead, 5)
        ends = {p: end for p, end in kafka.end_offsets(place.retry).items() if end}
        worker.await_committed(kafka, place.group, place.retry, ends)
        assert worker.stop() == ExitCode.OK
    assert len(kafka.read_all(place.dead)) == 5
    assert sorted(seen) == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    assert sorted(others) == [0, 1, 2, 3]


def test_what_went_round_too_often_stays_where_it_is(
    kafka: Kafka, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def headers(replays: int) -> list[tuple[str, bytes | None]]:
        return [
            ("sabot-source-topic", place.source.encode()),
            ("sabot-source-partition", b"0"),
            ("sabot-step", b"map-1"),
            ("sabot-replay-attempt", str(replays).encode()),
        ]

    kafka.produce(place.dead, [{"n": 1}], headers=headers(5))
    kafka.produce(place.dead, [{"n": 2}], headers=headers(4))
    _, said = dlq(capsys, kafka, "replay", place.dead, "--to-source")
    assert "left alone" in said
    assert "replayed 5 times already" in said
    (back,) = kafka.read_all(place.source)
    assert json.loads(back.value()) == {"n": 2}
    assert back.headers() == [("sabot-replay-attempt", b"5")]


def test_bytes_nobody_can_decode_are_shown_as_they_are_and_go_back_untouched(
    kafka: Kafka, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = b'{"n": \xff\x00'
    kafka.produce(place.source, [bad], keys=[b"\xfe"])

    def define(app: App) -> None:
        rows = app.stream(
            place.source,
            error_handling_policy="dead_letter",
            dead_letter_topic=place.dead,
            **FAST,
        )
        rows.to_kafka(app.broker, place.left)

    with hosted(define, kafka=kafka, group=place.group) as worker:
        kafka.read(place.dead, 1)
        assert worker.stop() == ExitCode.OK
    out, _ = dlq(capsys, kafka, "show", place.dead, "--where", "error == 'DecodeError'")
    assert "00000000  7b 22 6e 22 3a 20 ff 00" in out
    assert "key      base64:/g==" in out
    dlq(capsys, kafka, "replay", place.dead, "--to", place.right, "--limit", "1")
    (back,) = kafka.read_all(place.right)
    assert (back.key(), back.value()) == (b"\xfe", bad)


def test_a_letter_that_does_not_say_where_it_came_from_needs_a_target(
    kafka: Kafka, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka.produce(place.dead, [{"n": 1}])
    code = main(["dlq", "replay", place.dead, "--broker", kafka.bootstrap])
    assert code == ExitCode.USAGE
    assert "name the target with --to" in capsys.readouterr().err
    out, said = dlq(capsys, kafka, "show", place.dead, "--where", "offset > 5")
    assert (out, said) == ("", f"{place.dead!r} at {kafka.bootstrap}: no such dead letter\n")


def test_reading_ends_where_the_topic_ended_when_it_began(kafka: Kafka, place: Place) -> None:
    kafka.produce(place.dead, [{"n": n} for n in range(50)])
    reading: Any = map(letter_of, read_through(kafka.bootstrap, place.dead))
    first = next(reading)
    kafka.produce(place.dead, [{"n": n} for n in range(50, 60)])
    values = [json.loads(letter.record.value)["n"] for letter in (first, *reading)]
    assert sorted(values) == list(range(50))
    assert list(read_through(kafka.bootstrap, place.retry)) == []
