"""State and offsets in one transaction, without outputs in it: what at-least-once does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as ClientPartition

from sabot.errors import CommitError, PartitionLostError
from sabot.kafka.commits import CommitPoint, Transaction
from sabot.kafka.transactions import TransactionalProducer
from sabot.runtime.checkpoint import Checkpoint
from sabot.runtime.messages import Committed, Cut, CutReport, Resend
from sabot.runtime.metadata import start_of
from sabot.runtime.progress import Start
from sabot.runtime.transactional import TransactionalCommit
from sabot.types import TopicPartition
from tests.broker import Kafka
from tests.until import until

Changes = Mapping[bytes, bytes | None]


@dataclass(frozen=True)
class Changed:
    topic: str
    partition: int
    changes: Changes


@dataclass
class Keeper:
    """A participant with state; it says each change once."""

    topic: str
    positions: dict[TopicPartition, tuple[int, int]]
    deltas: list[Changed] = field(default_factory=list)
    told: list[Committed] = field(default_factory=list)
    name: str = "keeper"

    def reads(self, topic: str) -> bool:
        return topic == self.topic

    def branches(self, topic: str) -> Sequence[str]:
        return [self.name] if self.reads(topic) else []

    def ask(self, question: Cut | Resend) -> Future[CutReport]:
        answer: Future[CutReport] = Future()
        deltas, self.deltas = self.deltas, []
        answer.set_result(CutReport({self.name: dict(self.positions)}, (), tuple(deltas)))
        return answer

    def tell(self, note: Committed) -> None:
        self.told.append(note)


class Domain:
    """A checkpoint, its producer, and a consumer that is in the group."""

    def __init__(self, kafka: Kafka, slot: str = "0", *, by_source: bool = False) -> None:
        self.kafka = kafka
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(kafka.unique("in"), 2)
        self.changelog = kafka.create_topic(kafka.unique("changelog"), 2, cleanup_policy="compact")
        self.producer = TransactionalProducer(
            {"bootstrap.servers": kafka.bootstrap},
            transactional_id=f"{self.group}-{slot}",
            timeout_seconds=10.0,
        )
        self.producer.open(30)
        self.consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "group.id": self.group,
                "enable.auto.commit": False,
            }
        )
        self.consumer.subscribe([self.source])
        until(self._has_joined, what="the consumer is in its group", timeout=30)
        self.owned = {TopicPartition(self.source, number): 1 for number in (0, 1)}
        self.keeper = Keeper(self.source, dict.fromkeys(self.owned, (1, 0)))
        self.refusal: Exception | None = None
        sources = {self.changelog: self.source} if by_source else None
        transaction = TransactionalCommit(self.producer, self._commit, exact=False, sources=sources)
        self.checkpoint = Checkpoint(
            [self.keeper],
            producers=lambda: [self.producer],
            owned=lambda: self.owned,
            commit=lambda _points: {},
            serve=lambda: None,
            transaction=transaction,
        )

    def _has_joined(self) -> bool:
        self.consumer.poll(0.1)
        return len(self.consumer.assignment()) == 2

    def _commit(self, points: Mapping[TopicPartition, CommitPoint], within: Transaction) -> None:
        if self.refusal is not None:
            raise self.refusal
        within.send_offsets(self.consumer, points)

    def go(self, number: int, offset: int, **changes: str | None) -> None:
        """Let the keeper come to an offset, with changes of its state."""
        self.keeper.positions[TopicPartition(self.source, number)] = (1, offset)
        encoded = {key.encode(): value and value.encode() for key, value in changes.items()}
        self.keeper.deltas.append(Changed(self.changelog, number, encoded))

    def cut(self) -> bool:
        return self.checkpoint.cut(20)

    def noted(self) -> dict[int, Any]:
        texts = self.kafka.committed_metadata(self.group, self.source)
        return {number: json.loads(text) for number, text in texts.items() if text}

    def table(self) -> dict[bytes | None, bytes | None]:
        return {m.key(): m.value() for m in self.kafka.read_all(self.changelog)}


@pytest.fixture
def domain(kafka: Kafka) -> Iterator[Domain]:
    made = Domain(kafka)
    yield made
    made.consumer.close()


def test_changes_and_offsets_are_committed_together_and_the_end_is_noted(domain: Domain) -> None:
    domain.go(0, 5, a="1", b="2")
    assert domain.cut()
    assert domain.table() == {b"a": b"1", b"b": b"2"}
    assert domain.kafka.committed(domain.group, domain.source) == {0: 5, 1: 0}
    end = 2
    assert domain.noted()[0]["state"] == {domain.changelog: end}
    assert domain.keeper.told == [Committed(1, {(domain.changelog, 0): end})]


def test_a_cut_without_changes_carries_on_where_state_ends(domain: Domain) -> None:
    domain.go(0, 5, a="1")
    domain.cut()
    domain.keeper.positions[TopicPartition(domain.source, 0)] = (1, 9)
    assert domain.cut()
    assert domain.kafka.committed(domain.group, domain.source)[0] == 9
    assert domain.noted()[0]["state"] == {domain.changelog: 1}
    assert domain.keeper.told[-1] == Committed(2, {})


def test_what_the_start_knew_of_state_is_carried_on(domain: Domain) -> None:
    tp = TopicPartition(domain.source, 0)
    domain.checkpoint.begin({tp: Start(0, 1, state={"other-changelog": 77}, cut=40)})
    domain.go(0, 5, a="1")
    domain.cut()
    noted = domain.noted()[0]
    assert noted["state"] == {"other-changelog": 77, domain.changelog: 1}
    assert noted["cut"] == 41, "numbers go on from those of the owner before"


def test_partitions_of_one_number_say_the_same_of_their_state(kafka: Kafka) -> None:
    domain = Domain(kafka)
    second = TopicPartition(kafka.create_topic(kafka.unique("second"), 2), 0)
    domain.owned[second] = 1
    domain.keeper.positions[second] = (1, 3)
    domain.keeper.reads = lambda _topic: True  # type: ignore[method-assign]
    domain.cut()
    domain.go(0, 5, a="1")
    domain.cut()
    text = kafka.committed_metadata(domain.group, second.topic)[0]
    assert start_of(3, 1, text).state == {domain.changelog: 1}
    domain.consumer.close()


def test_state_that_one_topic_is_kept_by_is_told_by_that_one_alone(kafka: Kafka) -> None:
    domain = Domain(kafka, by_source=True)
    first = TopicPartition(domain.source, 0)
    second = TopicPartition(kafka.create_topic(kafka.unique("second"), 2), 0)
    domain.owned[second] = 1
    domain.keeper.positions |= {first: (1, 4), second: (1, 3)}
    domain.keeper.reads = lambda _topic: True  # type: ignore[method-assign]
    # Another worker had the second one for longer, and knows less of this state.
    starts = {
        first: Start(0, 1, state={domain.changelog: 7}, cut=3),
        second: Start(0, 1, state={domain.changelog: 5}, cut=9),
    }
    domain.checkpoint.begin(starts)
    domain.cut()
    assert domain.noted()[0]["state"] == {domain.changelog: 7}
    text = kafka.committed_metadata(domain.group, second.topic)[0]
    assert start_of(3, 1, text).state == {}
    domain.consumer.close()


def test_changes_of_a_cut_that_failed_are_in_the_next(domain: Domain) -> None:
    domain.go(0, 5, a="1")
    domain.refusal = CommitError("a rebalance")
    with pytest.raises(CommitError):
        domain.cut()
    assert domain.table() == {}
    domain.refusal = None
    domain.go(0, 6, b="2")
    assert domain.cut()
    assert domain.table() == {b"a": b"1", b"b": b"2"}
    assert domain.keeper.told[-1].number == 2


def test_nothing_of_a_partition_that_went_is_written(domain: Domain) -> None:
    domain.go(0, 5, a="1")
    domain.refusal = PartitionLostError("gone")
    with pytest.raises(PartitionLostError):
        domain.cut()
    assert domain.table() == {}
    assert domain.kafka.committed(domain.group, domain.source) == {}


def test_the_end_is_where_a_reader_of_committed_records_has_all_of_it(domain: Domain) -> None:
    for number in range(3):
        domain.go(0, number + 1, **{f"k{number}": str(number)})
        domain.cut()
    end = domain.keeper.told[-1].ends[domain.changelog, 0]
    reader = Consumer(
        {
            "bootstrap.servers": domain.kafka.bootstrap,
            "group.id": "none",
            "isolation.level": "read_committed",
        }
    )
    reader.assign([ClientPartition(domain.changelog, 0, 0)])
    seen: list[int] = []
    while not seen or seen[-1] < end - 1:
        message = reader.poll(10)
        assert message is not None
        assert message.error() is None
        seen.append(message.offset())
    reader.close()
    assert (len(seen), seen[-1]) == (3, end - 1)
