"""Restoring from changelogs on the real broker: every way a log may end or begin."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest
from confluent_kafka import Producer

from sabot.errors import BrokerError, PartitionLostError, StateError, StateMismatchError
from sabot.kafka.restore import Restored, Restorer
from sabot.state import MemoryStore, Store
from sabot.state.rocks import RocksStore
from scripts import kafka as kafka_script
from tests.broker import Kafka
from tests.until import until

EDGE_SECONDS = 10
"""In which every edge has to come to its end."""


@pytest.fixture
def restorer(kafka: Kafka) -> Iterator[Restorer]:
    made = Restorer({"bootstrap.servers": kafka.bootstrap})
    yield made
    made.close()


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MemoryStore() if request.param == "memory" else RocksStore(tmp_path / "db")
    yield made
    made.close()


@pytest.fixture
def topic(kafka: Kafka) -> str:
    return kafka.create_topic(kafka.unique("log"), 1, cleanup_policy="compact")


@pytest.fixture
def cuttable(kafka: Kafka) -> str:
    """A changelog that can be cut off; the broker refuses it for one only compacted."""
    return kafka.create_topic(kafka.unique("log"), 1, cleanup_policy="compact,delete")


class Writer:
    """Writes transactions, as a worker does at its checkpoints."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self.topic = topic
        self.producer = Producer(
            {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("writer")}
        )
        self.producer.init_transactions(10)

    def write(self, changes: Mapping[bytes, bytes | None]) -> int:
        """Begin and write; return the next offset behind it."""
        self.producer.begin_transaction()
        ends: list[int] = []
        for key, value in changes.items():
            self.producer.produce(
                self.topic,
                value,
                key,
                partition=0,
                on_delivery=lambda error, message: ends.append(message.offset() + 1),
            )
        self.producer.flush(10)
        assert len(ends) == len(changes)
        return max(ends)

    def commit(self, changes: Mapping[bytes, bytes | None]) -> int:
        end = self.write(changes)
        self.producer.commit_transaction(10)
        return end

    def abort(self, changes: Mapping[bytes, bytes | None]) -> int:
        end = self.write(changes)
        self.producer.abort_transaction(10)
        return end


def outcome(restored: Future[Restored]) -> Restored:
    return restored.result(EDGE_SECONDS)


def numbered(count: int, value: bytes = b".") -> dict[bytes, bytes | None]:
    return {b"%04d" % number: value for number in range(count)}


# --- where a log may end --------------------------------------------------------------


def test_an_empty_changelog_is_restored_at_once(
    restorer: Restorer, topic: str, store: Store
) -> None:
    assert outcome(restorer.restore(store, topic, 0, 0)) == Restored(0, 0)
    assert list(store.scan()) == []


def test_what_is_below_the_target_is_restored_and_nothing_behind_it(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    writer = Writer(kafka, topic)
    writer.commit({b"a": b"1", b"b": b"1"})
    end = writer.commit({b"a": b"2", b"b": None})
    writer.commit({b"a": b"later", b"c": b"later"})
    assert outcome(restorer.restore(store, topic, 0, end)) == Restored(4, end)
    assert dict(store.scan()) == {b"a": b"2"}
    assert store.position == end


@pytest.mark.parametrize("behind", ["commit", "abort"])
def test_a_log_that_ends_with_a_marker_is_restored(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store, behind: str
) -> None:
    writer = Writer(kafka, topic)
    end = writer.commit({b"a": b"1"})
    if behind == "abort":
        writer.abort({b"a": b"never", b"b": b"never"})
    assert outcome(restorer.restore(store, topic, 0, end)) == Restored(1, end)
    # As of the end with all markers: no record is ever read there.
    last = kafka.end_offsets(topic)[0]
    assert outcome(restorer.restore(store, topic, 0, last)) == Restored(0, last)
    assert dict(store.scan()) == {b"a": b"1"}


def test_a_log_with_nothing_but_aborted_records_is_restored_as_empty(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    Writer(kafka, topic).abort(numbered(20))
    end = kafka.end_offsets(topic)[0]
    assert outcome(restorer.restore(store, topic, 0, end)) == Restored(0, end)
    assert list(store.scan()) == []


def test_an_open_transaction_behind_the_target_is_not_waited_for(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    writer = Writer(kafka, topic)
    end = writer.commit({b"a": b"1"})
    writer.write({b"a": b"undecided"})
    assert outcome(restorer.restore(store, topic, 0, end)) == Restored(1, end)
    assert dict(store.scan()) == {b"a": b"1"}
    writer.producer.abort_transaction(10)


def test_an_open_transaction_below_the_target_is_waited_for_until_it_is_decided(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    writer = Writer(kafka, topic)
    writer.commit({b"a": b"1"})
    end = writer.write({b"a": b"2"})
    assert restorer.end_of(topic, 0) == end
    restored = restorer.restore(store, topic, 0, end)
    until(lambda: store.position > 0, what="records before the transaction")
    assert not restored.done()
    assert restorer.remaining() != {}
    writer.producer.commit_transaction(10)
    assert outcome(restored).position == end
    assert dict(store.scan()) == {b"a": b"2"}
    assert restorer.remaining() == {}


# --- where a log may begin ------------------------------------------------------------


def test_a_log_whose_beginning_is_deleted_is_restored_from_what_is_left(
    kafka: Kafka, restorer: Restorer, cuttable: str, store: Store
) -> None:
    writer = Writer(kafka, cuttable)
    cut = writer.commit(numbered(10, b"old"))
    end = writer.commit({b"0001": b"new"})
    kafka.delete_records(cuttable, {0: cut})
    assert outcome(restorer.restore(store, cuttable, 0, end)) == Restored(1, end)
    assert dict(store.scan()) == {b"0001": b"new"}


def test_a_log_deleted_just_up_to_the_target_is_restored_as_empty(
    kafka: Kafka, restorer: Restorer, cuttable: str, store: Store
) -> None:
    end = Writer(kafka, cuttable).commit(numbered(10))
    kafka.delete_records(cuttable, {0: end})
    assert outcome(restorer.restore(store, cuttable, 0, end)) == Restored(0, end)
    assert (list(store.scan()), store.position) == ([], end)


def test_a_target_behind_the_end_of_the_log_is_refused_with_both_offsets(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    kafka.produce(topic, [b"."] * 5, keys=[b"a"] * 5)
    with pytest.raises(
        StateMismatchError,
        match=rf"{topic}.*ends at offset 9, .* ends at 5: .*--state keep.*rebuild",
    ):
        outcome(restorer.restore(store, topic, 0, 9))


def test_a_target_before_the_beginning_of_the_log_is_refused_with_both_offsets(
    kafka: Kafka, restorer: Restorer, cuttable: str, store: Store
) -> None:
    kafka.produce(cuttable, [b"."] * 9, keys=[b"a"] * 9)
    kafka.delete_records(cuttable, {0: 7})
    with pytest.raises(
        StateMismatchError, match=r"ends at offset 4, .* begins at 7: .*--state keep.*rebuild"
    ):
        outcome(restorer.restore(store, cuttable, 0, 4))


# --- what a store may hold already ----------------------------------------------------


def test_only_what_a_store_has_missed_is_read(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    writer = Writer(kafka, topic)
    end = writer.commit(numbered(100))
    outcome(restorer.restore(store, topic, 0, end))
    last = writer.commit({b"0007": b"new", b"0008": None})
    assert outcome(restorer.restore(store, topic, 0, last)) == Restored(2, last)
    wanted = numbered(100) | {b"0007": b"new"}
    del wanted[b"0008"]
    assert dict(store.scan()) == wanted


def test_a_store_that_knows_the_target_needs_no_log(restorer: Restorer, store: Store) -> None:
    store.write({b"a": b"1"}, 12)
    assert outcome(restorer.restore(store, "gone", 0, 12)) == Restored(0, 12)
    assert dict(store.scan()) == {b"a": b"1"}


@pytest.mark.parametrize("target", [0, 2])
def test_a_store_ahead_of_the_commit_is_emptied_and_read_anew(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store, target: int
) -> None:
    kafka.produce(topic, [b"1", b"2", b"3"], keys=[b"a", b"b", b"c"])
    store.write({b"a": b"ahead", b"z": b"ahead"}, 3)
    assert outcome(restorer.restore(store, topic, 0, target)) == Restored(target, target)
    assert dict(store.scan()) == dict([(b"a", b"1"), (b"b", b"2")][:target])


def test_a_store_whose_position_is_gone_is_emptied_and_read_anew(
    kafka: Kafka, restorer: Restorer, cuttable: str, store: Store
) -> None:
    kafka.produce(cuttable, [b"."] * 9, keys=[b"%d" % number for number in range(9)])
    kafka.delete_records(cuttable, {0: 7})
    store.write({b"stale": b"."}, 3)
    assert outcome(restorer.restore(store, cuttable, 0, 9)) == Restored(2, 9)
    assert dict(store.scan()) == {b"7": b".", b"8": b"."}


def test_a_store_that_may_have_missed_deletions_is_emptied_and_read_anew(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    now, day = int(time.time() * 1000), 86_400_000
    # What the store has; then, two days ago, perhaps a deletion of it; then the present.
    stamps = [now - 3 * day, now - 2 * day, now]
    kafka.produce(topic, [b"1", b"1", b"1"], keys=[b"a", b"b", b"c"], timestamps=stamps)
    store.write({b"a": b"1", b"deleted": b"long ago"}, 1)
    restored = restorer.restore(store, topic, 0, 3, deletions_last=86_400)
    assert outcome(restored) == Restored(3, 3)
    assert dict(store.scan()) == {b"a": b"1", b"b": b"1", b"c": b"1"}


def test_a_store_that_has_missed_only_what_is_young_reads_only_that(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    now, day = int(time.time() * 1000), 86_400_000
    kafka.produce(topic, [b"1", b"1"], keys=[b"a", b"b"], timestamps=[now - 3 * day, now])
    store.write({b"a": b"1"}, 1)
    restored = restorer.restore(store, topic, 0, 2, deletions_last=86_400)
    assert outcome(restored) == Restored(1, 2)


# --- what may happen meanwhile --------------------------------------------------------


class Gate(MemoryStore):
    """A store that waits in its first write until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.opened = threading.Event()

    def write(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        self.entered.set()
        assert self.opened.wait(30)
        super().write(changes, position)


def large(kafka: Kafka, topic: str, count: int = 1500) -> int:
    """Write more than a consumer fetches ahead; return the end."""
    kafka.produce(topic, [b"\0" * 50_000] * count, keys=[b"%d" % n for n in range(count)])
    return count


def test_a_beginning_that_is_deleted_during_the_restore_is_read_anew(
    kafka: Kafka, restorer: Restorer, cuttable: str
) -> None:
    end = large(kafka, cuttable)
    store = Gate()
    restored = restorer.restore(store, cuttable, 0, end)
    assert store.entered.wait(10)
    kafka.delete_records(cuttable, {0: end - 10})
    store.opened.set()
    assert outcome(restored) == Restored(10, end)
    assert sorted(key for key, _ in store.scan()) == [b"%d" % n for n in range(end - 10, end)]


def test_a_log_that_is_deleted_beyond_the_target_during_the_restore_is_an_error(
    kafka: Kafka, restorer: Restorer, cuttable: str
) -> None:
    end = large(kafka, cuttable)
    store = Gate()
    restored = restorer.restore(store, cuttable, 0, end - 100)
    assert store.entered.wait(10)
    kafka.delete_records(cuttable, {0: end - 10})
    store.opened.set()
    with pytest.raises(StateMismatchError, match=f"{end - 100}, .* begins at {end - 10}"):
        outcome(restored)


def test_a_restore_that_is_withdrawn_in_the_middle_ends_and_leaves_the_others(
    kafka: Kafka, restorer: Restorer, topic: str
) -> None:
    end = large(kafka, topic, 300)
    other = kafka.create_topic(kafka.unique("log"), 1, cleanup_policy="compact")
    kafka.produce(other, [b"1"], keys=[b"a"])
    store, theirs = Gate(), MemoryStore()
    # It never comes to its end by itself: a transaction is open below its target.
    writer = Writer(kafka, topic)
    target = writer.write({b"last": b"."})
    assert target > end
    restored = restorer.restore(store, topic, 0, target)
    assert store.entered.wait(10)
    restorer.withdraw(topic, 0)
    also = restorer.restore(theirs, other, 0, 1)
    store.opened.set()
    with pytest.raises(PartitionLostError, match="withdrawn"):
        outcome(restored)
    assert outcome(also) == Restored(1, 1)
    writer.producer.abort_transaction(10)
    # The partition may come back at once.
    assert outcome(restorer.restore(store, topic, 0, end)).position == end


def test_a_second_restore_of_a_partition_takes_the_place_of_the_first(
    kafka: Kafka, restorer: Restorer, topic: str
) -> None:
    end = large(kafka, topic, 300)
    first, second = Gate(), MemoryStore()
    one = restorer.restore(first, topic, 0, end)
    assert first.entered.wait(10)
    other = restorer.restore(second, topic, 0, end)
    first.opened.set()
    assert outcome(other) == Restored(end, end)
    with contextlib.suppress(PartitionLostError):
        outcome(one)


def test_twenty_shards_are_restored_at_once(kafka: Kafka, restorer: Restorer) -> None:
    topic = kafka.create_topic(kafka.unique("log"), 20, cleanup_policy="compact")
    for partition in range(20):
        count = 100 + partition
        kafka.produce(
            topic,
            [b"%d" % partition] * count,
            keys=[b"%d" % n for n in range(count)],
            partition=partition,
        )
    stores = [MemoryStore() for _ in range(20)]
    asked = [
        restorer.restore(store, topic, partition, 100 + partition)
        for partition, store in enumerate(stores)
    ]
    for partition, (store, restored) in enumerate(zip(stores, asked, strict=True)):
        assert outcome(restored) == Restored(100 + partition, 100 + partition)
        assert {value for _, value in store.scan()} == {b"%d" % partition}


def test_a_topic_that_is_not_there_fails_its_own_restore_only(
    kafka: Kafka, restorer: Restorer, topic: str
) -> None:
    kafka.produce(topic, [b"1"], keys=[b"a"])
    with pytest.raises(BrokerError, match="no-such-log"):
        outcome(restorer.restore(MemoryStore(), "no-such-log", 0, 5))
    assert outcome(restorer.restore(MemoryStore(), topic, 0, 1)) == Restored(1, 1)


class FullDisk(MemoryStore):
    def write(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        raise StateError("no room")


def test_a_store_that_takes_nothing_fails_its_own_restore_only(
    kafka: Kafka, restorer: Restorer, topic: str
) -> None:
    kafka.produce(topic, [b"1"], keys=[b"a"])
    with pytest.raises(StateError, match="no room"):
        outcome(restorer.restore(FullDisk(), topic, 0, 1))
    assert outcome(restorer.restore(MemoryStore(), topic, 0, 1)) == Restored(1, 1)


def test_after_the_end_a_restore_fails_at_once(kafka: Kafka, topic: str) -> None:
    kafka.produce(topic, [b"1"], keys=[b"a"])
    restorer = Restorer({"bootstrap.servers": kafka.bootstrap})
    followed = restorer.follow(MemoryStore(), topic, 0)
    restorer.close()
    for late in (followed, restorer.restore(MemoryStore(), topic, 0, 1)):
        with pytest.raises(PartitionLostError, match="the worker stops"):
            outcome(late)
    restorer.withdraw(topic, 0)


# --- following ------------------------------------------------------------------------


def test_a_followed_store_has_what_is_committed_and_is_never_ahead_of_it(
    kafka: Kafka, restorer: Restorer, topic: str, store: Store
) -> None:
    writer = Writer(kafka, topic)
    writer.commit(numbered(10))
    followed = restorer.follow(store, topic, 0)
    until(lambda: store.position >= 10, what="what was there")
    end = writer.commit({b"0001": b"new", b"0002": None})
    until(lambda: store.position >= end, what="what came")
    writer.abort({b"0001": b"never"})
    restorer.withdraw(topic, 0)
    assert outcome(followed).position == end
    # So its tail is all that is left to read.
    last = writer.commit({b"0003": b"tail"})
    assert outcome(restorer.restore(store, topic, 0, last)) == Restored(1, last)
    assert store.get(b"0001") == b"new"


# --- a broker of its own: compaction in a moment, and a freeze ------------------------


@pytest.fixture(scope="module")
def broker() -> Iterator[kafka_script.Broker]:
    try:
        with kafka_script.running({"log.cleaner.backoff.ms": "100"}) as started:
            yield started
    except kafka_script.KafkaUnavailableError as error:
        pytest.skip(f"no real Kafka broker: {error}")


@pytest.fixture
def other(broker: kafka_script.Broker) -> Kafka:
    return Kafka(broker.bootstrap)


@pytest.mark.slow
@pytest.mark.broker
def test_a_log_of_which_compaction_has_left_nothing_is_restored(other: Kafka, store: Store) -> None:
    topic = other.create_topic(
        other.unique("log"),
        1,
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.0001",
        delete_retention_ms="0",
    )
    writer = Writer(other, topic)
    writer.commit(numbered(100))
    end = writer.commit(dict.fromkeys(numbered(100)))

    def compacted() -> bool:
        # Compaction leaves the last segment alone, so that there has to be another.
        writer.commit({b"last": None})
        return not [m for m in other.read_all(topic) if m.key() != b"last"]

    until(compacted, what="compaction", timeout=60, every=0.3)
    restorer = Restorer({"bootstrap.servers": other.bootstrap})
    assert outcome(restorer.restore(store, topic, 0, end)).position == end
    assert list(store.scan()) == []
    restorer.close()


@pytest.mark.slow
@pytest.mark.broker
def test_a_broker_that_is_frozen_in_the_middle_is_waited_for(
    broker: kafka_script.Broker, other: Kafka
) -> None:
    topic = other.create_topic(other.unique("log"), 1, cleanup_policy="compact")
    end = large(other, topic)
    restorer = Restorer({"bootstrap.servers": other.bootstrap})
    store = Gate()
    restored = restorer.restore(store, topic, 0, end)
    assert store.entered.wait(10)
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        store.opened.set()
        # The length of the freeze.
        threading.Event().wait(3)
        assert 0 < sum(restorer.remaining().values()) < end
        assert not restored.done()
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert restored.result(30) == Restored(end, end)
    assert len(list(store.scan())) == end
    restorer.close()
