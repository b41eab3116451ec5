"""The shards of a domain's partitions: restored, refused, kept or rebuilt, and given up."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Producer

from sabot.errors import StateMismatchError
from sabot.runtime.domain_state import REBUILD, DomainState
from sabot.runtime.progress import Start
from sabot.runtime.settings import StateSettings
from sabot.runtime.stateful_plan import StoreUse
from sabot.state import Shard
from sabot.state.directory import StateDirectory
from sabot.types import TopicPartition
from tests.broker import Kafka
from tests.until import until

Policy = Literal["refuse", "keep", "rebuild"]


class Owner:
    """A domain of one topic with one store, as far as state is concerned."""

    def __init__(self, kafka: Kafka, app: str, source: str, **settings: Any) -> None:
        self.begun: queue.SimpleQueue[tuple[TopicPartition, Start, Shard] | BaseException] = (
            queue.SimpleQueue()
        )
        chosen = StateSettings(**settings)
        self.directory = None
        if chosen.store == "rocksdb":
            self.directory = StateDirectory(chosen.directory, app)
            self.directory.take_slot()
        self.state = DomainState(
            [StoreUse("seen", source)],
            application=app,
            properties={"bootstrap.servers": kafka.bootstrap, "group.id": app},
            settings=chosen,
            directory=self.directory,
            timeout=10,
            ready=lambda tp, start, shards: self.begun.put((tp, start, shards["seen"])),
            failed=self.begun.put,
        )
        self.state.open()

    def close(self) -> None:
        self.state.close()
        if self.directory is not None:
            self.directory.close()

    def next(self) -> tuple[TopicPartition, Start, Shard]:
        found = self.begun.get(timeout=10)
        if isinstance(found, BaseException):
            raise found
        return found


@pytest.fixture
def app(kafka: Kafka) -> str:
    return kafka.unique("app")


@pytest.fixture
def source(kafka: Kafka) -> str:
    return kafka.create_topic(kafka.unique("source"), 2)


@pytest.fixture
def changelog(kafka: Kafka, app: str) -> str:
    name = kafka.create_topic(f"{app}-seen-changelog", 2, cleanup_policy="compact")
    kafka.produce(name, [b"1", b"2", b"3"], keys=[b"a", b"b", b"c"], partition=0)
    return name


Make = Callable[..., Owner]


@pytest.fixture
def owner(kafka: Kafka, app: str, source: str) -> Iterator[Make]:
    made: list[Owner] = []

    def make(**settings: Any) -> Owner:
        made.append(Owner(kafka, app, source, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_partition_begins_with_state_as_of_its_commit(
    owner: Make, source: str, changelog: str
) -> None:
    one, tp = owner(), TopicPartition(source, 0)
    one.state.assigned({tp: Start(7, 1, state={changelog: 2})})
    began, start, shard = one.next()
    assert (began, start.offset, start.state) == (tp, 7, {changelog: 2})
    assert list(shard.scan()) == [(b"a", b"1"), (b"b", b"2")]
    assert one.state.restoring == frozenset()


def test_a_new_group_without_state_begins_with_none(owner: Make, source: str, app: str) -> None:
    one, tp = owner(), TopicPartition(source, 1)
    one.state.assigned({tp: Start(0, 1)})
    _, start, shard = one.next()
    assert start.state == {f"{app}-seen-changelog": 0}
    assert list(shard.scan()) == []


def test_state_that_no_commit_speaks_of_is_refused(
    owner: Make, source: str, changelog: str
) -> None:
    one = owner()
    one.state.assigned({TopicPartition(source, 0): Start(0, 1)})
    with pytest.raises(StateMismatchError, match=r"--state keep .* --state rebuild"):
        one.next()


def test_state_that_no_commit_speaks_of_can_be_kept(
    owner: Make, source: str, changelog: str
) -> None:
    one = owner(policy="keep")
    one.state.assigned({TopicPartition(source, 0): Start(0, 1)})
    _, start, shard = one.next()
    assert start.state == {changelog: 3}
    assert len(list(shard.scan())) == 3


def test_state_that_no_commit_speaks_of_is_deleted_along_with_the_first_commit(
    kafka: Kafka, owner: Make, source: str, changelog: str
) -> None:
    one, tp = owner(policy="rebuild"), TopicPartition(source, 0)
    one.state.assigned({tp: Start(0, 1)})
    _, start, shard = one.next()
    assert (list(shard.scan()), start.state) == ([], {changelog: 3})
    delta = shard.freeze(1)
    assert delta is not None
    assert delta.changes == dict.fromkeys([b"a", b"b", b"c"])
    # As long as nothing is committed nothing is deleted, either.
    assert not [m for m in kafka.read_all(changelog) if m.value() is None]


def test_state_is_deleted_where_the_commit_says_that_it_begins_anew(
    owner: Make, source: str, changelog: str
) -> None:
    one = owner()
    one.state.assigned({TopicPartition(source, 0): Start(0, 1, state={changelog: REBUILD})})
    _, start, shard = one.next()
    assert (list(shard.scan()), start.state) == ([], {changelog: 3})


@pytest.mark.parametrize("policy", ["refuse", "rebuild"])
def test_a_changelog_shorter_than_the_commit_says_is_refused(
    owner: Make, source: str, changelog: str, policy: Policy
) -> None:
    one = owner(policy=policy)
    one.state.assigned({TopicPartition(source, 0): Start(0, 1, state={changelog: 9})})
    with pytest.raises(StateMismatchError, match=r"ends at offset 9, .* ends at 3"):
        one.next()


def test_a_changelog_shorter_than_the_commit_says_can_be_kept(
    owner: Make, source: str, changelog: str
) -> None:
    one = owner(policy="keep")
    one.state.assigned({TopicPartition(source, 0): Start(0, 1, state={changelog: 9})})
    _, start, shard = one.next()
    assert (start.state, len(list(shard.scan()))) == ({changelog: 3}, 3)


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_partition_that_goes_during_its_restore_never_begins_and_may_come_back(
    kafka: Kafka, owner: Make, source: str, changelog: str, store: str, tmp_path: Path
) -> None:
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("open")}
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(changelog, b"4", b"d", partition=0)
    producer.flush(10)
    one, tp = owner(store=store, directory=tmp_path), TopicPartition(source, 0)
    # The open transaction is below its target: the restore waits.
    one.state.assigned({tp: Start(0, 1, state={changelog: 4})})
    until(lambda: one.state.remaining() == 1, what="a restore that waits")
    one.state.released([tp])
    one.state.assigned({tp: Start(0, 2, state={changelog: 3})})
    _, start, shard = one.next()
    assert (start.epoch, len(list(shard.scan()))) == (2, 3)
    producer.abort_transaction(10)
    assert one.begun.empty()


def test_closing_ends_a_restore_that_waits(
    kafka: Kafka, owner: Make, source: str, changelog: str
) -> None:
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("open")}
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(changelog, b"4", b"d", partition=0)
    producer.flush(10)
    one = owner()
    one.state.assigned({TopicPartition(source, 0): Start(0, 1, state={changelog: 4})})
    until(lambda: one.state.remaining() == 1, what="a restore that waits")
    one.state.close()
    assert one.begun.empty()
    producer.abort_transaction(10)


def test_what_is_on_disk_is_gone_on_with(
    kafka: Kafka, owner: Make, source: str, changelog: str, tmp_path: Path
) -> None:
    tp = TopicPartition(source, 0)
    one = owner(store="rocksdb", directory=tmp_path)
    one.state.assigned({tp: Start(0, 1, state={changelog: 3})})
    one.next()
    one.close()
    # The log is longer than what is read: of the rest nothing is.
    kafka.produce(changelog, [b"5"], keys=[b"e"], partition=0)
    two = owner(store="rocksdb", directory=tmp_path)
    two.state.assigned({tp: Start(0, 1, state={changelog: 4})})
    _, _, shard = two.next()
    assert [key for key, _ in shard.scan()] == [b"a", b"b", b"c", b"e"]
