"""Keys, headers and tombstones on a real broker, as columns where they are asked for."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sabot.app.app import App
from sabot.runtime.exit_codes import ExitCode
from tests.broker import Kafka
from tests.workers import FAST, hosted

pytestmark = pytest.mark.slow

ASKED: dict[str, Any] = {"key_codec_type": "string", "headers_column": "headers"}


def topics(kafka: Kafka) -> tuple[str, str, str]:
    return kafka.unique("g"), *(kafka.create_topic(kafka.unique(n), 1) for n in ("in", "out"))


def test_keys_headers_and_tombstones_pass_through_their_columns(kafka: Kafka) -> None:
    group, source, sink = topics(kafka)
    given: list[Any] = [{"n": 1}, None, {"n": 3}]
    sent = [("trace", b"abc"), ("none", None)]
    kafka.produce(source, given, keys=["a", "b", "c"], headers=sent)

    def upper(batch: pa.RecordBatch) -> pa.RecordBatch:
        keys = [key.upper() for key in batch["key"].to_pylist()]
        rest = batch.drop_columns(["n", "key"])
        # A column of the value made anew, so that every row is encoded.
        return rest.append_column("n", batch["n"]).append_column("key", pa.array(keys))

    def define(app: App) -> None:
        rows = app.stream(source, **ASKED, **FAST)
        rows.map(upper).to_kafka(app.broker, sink, tombstones=True, **ASKED)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(3)
        assert worker.stop() == ExitCode.OK
    arrived = kafka.read_all(sink)
    assert [(m.key(), m.value()) for m in arrived] == [
        (b"A", b'{"n":1}'),
        (b"B", None),
        (b"C", b'{"n":3}'),
    ]
    assert [m.headers() for m in arrived] == [sent] * 3


def test_a_key_nobody_can_decode_is_dead_lettered_with_its_record(kafka: Kafka) -> None:
    group, source, sink = topics(kafka)
    dead = kafka.create_topic(kafka.unique("dead"), 1)
    kafka.produce(source, [{"n": 1}, {"n": 2}, {"n": 3}], keys=[b"a", b"\xff", b"c"])

    def define(app: App) -> None:
        rows = app.stream(
            source,
            key_codec_type="string",
            error_handling_policy="dead_letter",
            dead_letter_topic=dead,
            **FAST,
        )
        rows.to_kafka(app.broker, sink, key_codec_type="string")

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(2)
        kafka.read(dead, 1)
        assert worker.stop() == ExitCode.OK
    assert [(m.key(), m.value()) for m in kafka.read_all(sink)] == [
        (b"a", b'{"n": 1}'),
        (b"c", b'{"n": 3}'),
    ]
    (letter,) = kafka.read_all(dead)
    assert (letter.key(), letter.value()) == (b"\xff", b'{"n": 2}')


def test_a_decoded_key_is_a_column_like_any_other(kafka: Kafka) -> None:
    group, source, sink = topics(kafka)
    kafka.produce(source, [{"n": 1}, {"n": 2}], keys=[b'{"id": 1}', b'{"id": 2}'])

    def define(app: App) -> None:
        rows = app.stream(source, key_codec_type="json", key_column="who", **FAST)
        picked = rows.filter(lambda b: pa.array([who["id"] == 2 for who in b["who"].to_pylist()]))
        picked.to_kafka(app.broker, sink)

    with hosted(define, kafka=kafka, group=group) as worker:
        worker.await_sent(1)
        assert worker.stop() == ExitCode.OK
    (message,) = kafka.read_all(sink)
    # Not taken off by the sink, so it is part of the value; the key's bytes stay the key.
    assert (message.key(), message.value()) == (b'{"id": 2}', b'{"n": 2,"who":{"id":2}}')
