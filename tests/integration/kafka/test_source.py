"""`KafkaSource` on a real broker: what is read, what is committed, what is read again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from sabot.errors import ConfigurationError, DecodeError, OffsetOutOfRangeError
from sabot.kafka.source import KafkaSource, KafkaSourceConfig, RecordStream
from sabot.types import Record
from tests.broker import Kafka

WITHIN = 20.0


@pytest.fixture
def orders(kafka: Kafka) -> str:
    return kafka.create_topic(kafka.unique("orders"), partitions=1)


def config(kafka: Kafka, topic: str, group: str, **changes: Any) -> KafkaSourceConfig:
    given = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 50, **changes}
    return KafkaSourceConfig(kafka.bootstrap, topic, group, **given)


async def read(stream: RecordStream, count: int) -> list[Record]:
    async with asyncio.timeout(WITHIN):
        return [await anext(stream) for _ in range(count)]


@contextlib.asynccontextmanager
async def opened(settings: KafkaSourceConfig) -> AsyncIterator[tuple[KafkaSource, RecordStream]]:
    source = KafkaSource(settings)
    async with source.stream() as stream:
        yield source, stream


def values(records: Sequence[Record]) -> list[Any]:
    return [record.value for record in records]


async def test_the_guides_loop_yields_records_with_all_they_have(kafka: Kafka, orders: str) -> None:
    kafka.produce(
        orders, [{"n": 1}, {"n": 2}], keys=["a", None], timestamps=[1000, 2000],
        headers=[("h", b"1")],
    )  # fmt: skip
    source = KafkaSource(config(kafka, orders, kafka.unique("g")))
    messages = []
    async with asyncio.timeout(WITHIN):
        async for message in source.stream():
            messages.append(message)
            if len(messages) == 2:
                break
    await source.aclose()
    first, second = messages
    assert (first.value, first.key, first.headers) == ({"n": 1}, b"a", [("h", b"1")])
    assert (first.topic, first.partition, first.offset, first.timestamp) == (orders, 0, 0, 1000)
    assert (second.value, second.key, second.offset, second.timestamp) == ({"n": 2}, None, 1, 2000)


async def test_the_record_in_hand_is_read_again(kafka: Kafka, orders: str) -> None:
    group = kafka.unique("g")
    kafka.produce(orders, [{"n": n} for n in range(5)])
    async with opened(config(kafka, orders, group)) as (_, stream):
        assert [each["n"] for each in values(await read(stream, 3))] == [0, 1, 2]
    assert kafka.committed(group, orders) == {0: 2}
    async with opened(config(kafka, orders, group)) as (_, stream):
        assert [each["n"] for each in values(await read(stream, 3))] == [2, 3, 4]


async def test_finished_records_are_committed_at_the_interval(kafka: Kafka, orders: str) -> None:
    group = kafka.unique("g")
    kafka.produce(orders, [{"n": n} for n in range(3)])
    settings = config(kafka, orders, group, auto_commit_interval_ms=50)
    async with opened(settings) as (_, stream), asyncio.timeout(WITHIN):
        await read(stream, 3)
        while await asyncio.to_thread(kafka.committed, group, orders) != {0: 2}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_wait_that_times_out_loses_nothing(kafka: Kafka, orders: str) -> None:
    async with opened(config(kafka, orders, kafka.unique("g"))) as (_, stream):
        kafka.produce(orders, [{"n": 0}])
        await read(stream, 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.3)
        kafka.produce(orders, [{"n": 1}])
        assert values(await read(stream, 1)) == [{"n": 1}]


async def test_without_automatic_commits_only_commit_commits(kafka: Kafka, orders: str) -> None:
    group = kafka.unique("g")
    kafka.produce(orders, [{"n": n} for n in range(4)])
    settings = config(kafka, orders, group, enable_auto_commit=False, auto_commit_interval_ms=10)
    async with opened(settings) as (_, stream):
        await read(stream, 4)
    assert kafka.committed(group, orders) == {}
    async with opened(settings) as (source, stream):
        records = await read(stream, 3)
        await source.commit(records[1])
        assert kafka.committed(group, orders) == {0: 2}
        await source.commit(records[0])
        assert kafka.committed(group, orders) == {0: 2}
        await source.commit()
        assert kafka.committed(group, orders) == {0: 3}
    assert kafka.committed(group, orders) == {0: 3}


def test_a_source_is_read_on_any_loop(kafka: Kafka, orders: str) -> None:
    kafka.produce(orders, [{"n": 0}, {"n": 1}])
    source = KafkaSource(config(kafka, orders, kafka.unique("g")))
    stream = source.stream()
    for number in range(2):
        assert values(asyncio.run(read(stream, 1))) == [{"n": number}]
    asyncio.run(source.aclose())


async def test_one_stream_of_a_source_is_open_at_a_time(kafka: Kafka, orders: str) -> None:
    source = KafkaSource(config(kafka, orders, kafka.unique("g")))
    with pytest.raises(ConfigurationError, match="no stream of the source is open"):
        await source.commit()
    stream = source.stream()
    with pytest.raises(ConfigurationError, match="is being read already"):
        source.stream()
    await stream.aclose()
    assert [record async for record in stream] == []
    await source.stream().aclose()


async def test_records_that_cannot_be_decoded_are_skipped_by_default(
    kafka: Kafka, orders: str, caplog: pytest.LogCaptureFixture
) -> None:
    group = kafka.unique("g")
    kafka.produce(orders, [{"n": 0}, b"{", {"n": 2}, b"[", b""])
    async with opened(config(kafka, orders, group, error_sample_rate=1.0)) as (_, stream):
        assert values(await read(stream, 2)) == [{"n": 0}, {"n": 2}]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.3)
    assert kafka.committed(group, orders) == {0: 5}
    assert f"{orders}[0]@1 cannot be decoded and is skipped" in caplog.text


async def test_fail_raises_at_the_record_and_commits_none_of_it(kafka: Kafka, orders: str) -> None:
    group = kafka.unique("g")
    kafka.produce(orders, [{"n": 0}, b"{", {"n": 2}])
    source = KafkaSource(config(kafka, orders, group, error_handling_policy="fail"))
    stream = source.stream()
    assert values(await read(stream, 1)) == [{"n": 0}]
    with pytest.raises(DecodeError) as failed:
        await read(stream, 1)
    assert f"{orders}[0]@1 cannot be decoded" in str(failed.value)
    assert kafka.committed(group, orders) == {0: 1}


async def test_retry_fails_after_its_attempts(kafka: Kafka, orders: str) -> None:
    kafka.produce(orders, [b"{"])
    settings = config(
        kafka, orders, kafka.unique("g"), error_handling_policy="retry",
        max_retry_attempts=2, retry_backoff_seconds=0.01,
    )  # fmt: skip
    with pytest.raises(DecodeError, match="after 3 attempts"):
        await read(KafkaSource(settings).stream(), 1)


async def test_dead_letters_keep_their_bytes_and_say_why(kafka: Kafka, orders: str) -> None:
    group, letters = kafka.unique("g"), kafka.create_topic(kafka.unique("letters"), 1)
    kafka.produce(orders, [b"\x00{", {"n": 1}], keys=["k", "l"], headers=[("own", b"1")])
    settings = config(
        kafka, orders, group, error_handling_policy="dead_letter", dead_letter_topic=letters
    )
    async with opened(settings) as (_, stream):
        assert values(await read(stream, 1)) == [{"n": 1}]
    (letter,) = kafka.read_all(letters)
    headers = dict(letter.headers())
    assert (letter.value(), letter.key()) == (b"\x00{", b"k")
    assert (headers["own"], headers["sabot-source-topic"]) == (b"1", orders.encode())
    assert (headers["sabot-source-offset"], headers["sabot-step"]) == (b"0", b"decode")
    assert headers["sabot-application"] == group.encode()


async def test_a_letter_that_is_too_large_for_its_topic_arrives_cut_off(
    kafka: Kafka, orders: str
) -> None:
    letters = kafka.create_topic(kafka.unique("letters"), 1, max_message_bytes="2000")
    (sent,) = kafka.produce(orders, [b"{" * 5000], timestamps=[1_700_000_000_000])
    settings = config(
        kafka, orders, kafka.unique("g"), error_handling_policy="dead_letter",
        dead_letter_topic=letters,
    )  # fmt: skip
    async with opened(settings) as (_, stream):
        kafka.produce(orders, [{"n": 1}])
        assert values(await read(stream, 1)) == [{"n": 1}]
    (letter,) = kafka.read_all(letters)
    assert letter.value() == b"{" * 1024
    assert dict(letter.headers())["sabot-truncated"] == b"5000"
    assert letter.timestamp() == sent.timestamp()


async def test_keys_are_decoded_where_it_is_asked_for(kafka: Kafka, orders: str) -> None:
    letters = kafka.create_topic(kafka.unique("letters"), 1)
    keys = [b'{"id": 1}', None, b"{", b'{"id": 4}']
    kafka.produce(orders, [{"n": 0}, {"n": 1}, {"n": 2}, None], keys=keys, headers=[("h", b"1")])
    settings = config(
        kafka, orders, kafka.unique("g"), key_codec_type="json",
        error_handling_policy="dead_letter", dead_letter_topic=letters,
    )  # fmt: skip
    async with opened(settings) as (_, stream):
        records = await read(stream, 3)
    assert [(each.key, each.value) for each in records] == [
        ({"id": 1}, {"n": 0}),
        (None, {"n": 1}),
        ({"id": 4}, None),
    ]
    assert {tuple(each.headers) for each in records} == {(("h", b"1"),)}
    (letter,) = kafka.read_all(letters)
    assert (letter.key(), letter.value()) == (b"{", b'{"n": 2}')


async def test_a_position_the_log_no_longer_has_is_an_error(kafka: Kafka, orders: str) -> None:
    group = kafka.unique("g")
    kafka.produce(orders, [{"n": n} for n in range(10)])
    async with opened(config(kafka, orders, group)) as (_, stream):
        await read(stream, 3)
    kafka.delete_records(orders, {0: 8})
    with pytest.raises(OffsetOutOfRangeError) as failed:
        await read(KafkaSource(config(kafka, orders, group)).stream(), 1)
    assert f"{orders}[0] is to be read from offset 2, but the log holds 8 to 10" in str(
        failed.value
    )
    command = f"sabot reset-offsets {group} {orders} --partition 0 --to earliest"
    assert command in str(failed.value)


async def test_a_slow_reader_gets_every_record_once(kafka: Kafka, orders: str) -> None:
    kafka.produce(orders, [{"n": n} for n in range(300)])
    settings = config(kafka, orders, kafka.unique("g"), batch_size=7)
    async with opened(settings) as (_, stream):
        seen = []
        for _ in range(300):
            seen += await read(stream, 1)
            await asyncio.sleep(0)
    assert [record.offset for record in seen] == list(range(300))
