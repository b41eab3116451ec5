"""100,000 records, of which every 1,000th is poisoned, each in its own way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

COUNT = 100_000
EVERY = 1_000


def good(number: int) -> bytes:
    return json.dumps({"n": number, "amount": number / 7, "name": f"name-{number}"}).encode()


POISON = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"17",
    b"\xff\xfe\x00",
    b'{"n": 1} {"n": 2}',
    b'{"n": 1},{"n": 2}',
    b'{"n": "a string"}',
    b'{"n": [1]}',
    b'{"n": {"n": 1}}',
    b'{"n": 170141183460469231731687303715884105728}',
    b'{"n": 1, "amount": "a lot"}',
    b'{"n": 1, "amount": NaN}',
    b'{"n": 1, "name": 5}',
    b'{"n": 1, "name": "\\ud800"}',
    b'{"n": 1, "name": "\xc3\x28"}',
    b'{"n": 1, "name": "open',
    b'{"n": 1,}',
    b"{'n': 1}",
    b"\xef\xbb\xbf" + good(1),
    b'{"n": ' + b"[" * 10_000,
    b'{"deep": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    b'{"n": "' + b"x" * 900_000 + b'"}',
    *[good(1)[:length] for length in range(1, len(good(1)), 3)],
]


def record(number: int) -> bytes:
    if number % EVERY != EVERY - 1:
        return good(number)
    turn = number // EVERY
    if turn < len(POISON):
        return POISON[turn]
    return b"\x00poison %d" % number


RECORDS = [record(number) for number in range(COUNT)]
BAD = [value for number, value in enumerate(RECORDS) if number % EVERY == EVERY - 1]
GOOD = [value for number, value in enumerate(RECORDS) if number % EVERY != EVERY - 1]


def test_with_dead_letters_exactly_the_poisoned_ones_are_there_byte_for_byte(
    kafka: Kafka,
) -> None:
    source = kafka.create_topic(kafka.unique("in"), partitions=1)
    sink = kafka.create_topic(kafka.unique("out"), partitions=1)
    dead = kafka.create_topic(kafka.unique("dead"), partitions=1)
    group = kafka.unique("g")
    kafka.produce(source, RECORDS)

    def define(app: App) -> None:
        app.stream(
            source, error_handling_policy="dead_letter", dead_letter_topic=dead, **FAST
        ).filter(lambda b: b["n"] >= 0).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_committed(kafka, group, source, {0: COUNT}, timeout=60)
        assert worker.stop() == ExitCode.OK
    assert [letter.value() for letter in kafka.read_all(dead)] == BAD
    assert [message.value() for message in kafka.read_all(sink)] == GOOD


def test_with_fail_nothing_is_committed_past_the_first_of_them(kafka: Kafka) -> None:
    source = kafka.create_topic(kafka.unique("in"), partitions=1)
    sink = kafka.create_topic(kafka.unique("out"), partitions=1)
    group = kafka.unique("g")
    kafka.produce(source, RECORDS)

    def define(app: App) -> None:
        app.stream(source, error_handling_policy="fail", **FAST).to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == ExitCode.FAILED
        assert f"{source}[0]@{EVERY - 1}" in str(worker.failure)
    assert kafka.committed(group, source) == {0: EVERY - 1}
    assert [message.value() for message in kafka.read_all(sink)] == GOOD[: EVERY - 1]


APP = """
import sabot

app = sabot.App({group!r}, broker={broker!r})
options = dict(
    auto_offset_reset="earliest", auto_commit_interval_ms=100, error_handling_policy="fail"
)
"""

READERS = {
    "decoding": "app.stream({source!r}, **options).to_kafka(app.broker, {sink!r})",
    "a step": """
def check(batch):
    if 2 in batch["n"].to_pylist():
        raise ValueError("not this one")
    return batch
app.stream({source!r}, **options).map(check).to_kafka(app.broker, {sink!r})
""",
    "an agent": """
@app.agent({source!r}, **options)
async def check(events):
    async for event in events:
        if event["n"] == 2:
            raise ValueError("not this one")
""",
}


@pytest.mark.parametrize("where", READERS)
def test_the_process_of_a_reader_that_gives_up_ends_and_names_the_record(
    kafka: Kafka, tmp_path: Path, where: str
) -> None:
    source, sink = (kafka.create_topic(kafka.unique(name), 1) for name in ("in", "out"))
    group = kafka.unique("g")
    bad = b"\x00poison" if where == "decoding" else b'{"n": 2}'
    kafka.produce(source, [b'{"n": 0}', b'{"n": 1}', bad, b'{"n": 3}'])
    names = {"group": group, "broker": kafka.bootstrap, "source": source, "sink": sink}
    (tmp_path / "app.py").write_text((APP + READERS[where]).format(**names))
    with Command("worker", "app.py", cwd=tmp_path) as worker:
        assert worker.ends() == ExitCode.FAILED, str(worker)
    assert f"{source}[0]@2" in worker.err
    assert kafka.committed(group, source) == {0: 2}
