"""What a checkpoint's cut costs with a transaction and without.

    python -m benchmarks.transactions --bootstrap localhost:9092

One cut is: write some records, wait until they have arrived, commit one offset. Plainly,
that is the idempotent producer and a commit; in a transaction, the records and the offset
are one. Then what a record that the broker refuses costs on top. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import uuid
from collections.abc import Callable

import confluent_kafka
from confluent_kafka import Consumer

from sabot.kafka.admin import create_topic
from sabot.kafka.commits import CommitPoint, commit_now
from sabot.kafka.producer import KafkaProducer
from sabot.kafka.transactions import TransactionalProducer
from sabot.types import TopicPartition

VALUE = b"x" * 150
LINGER = {"linger.ms": 5, "compression.type": "lz4"}
FAR = 5 * 3600 * 1000
TIMEOUT = 60.0


class Place:
    """A topic to write to, and a group to commit for."""

    def __init__(self, bootstrap: str) -> None:
        name = uuid.uuid4().hex[:8]
        self.properties = {"bootstrap.servers": bootstrap, **LINGER}
        self.sink = f"cut-out-{name}"
        self.tp = TopicPartition(f"cut-in-{name}", 0)
        create_topic(bootstrap, self.sink, 4)
        create_topic(bootstrap, self.tp.topic, 1)
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"cut-{name}"})
        self.plain = KafkaProducer(self.properties)
        self.exact = TransactionalProducer(
            self.properties, transactional_id=f"cut-{name}", timeout_seconds=10.0
        )
        self.exact.open(TIMEOUT)
        self.offset = 0

    def points(self) -> dict[TopicPartition, CommitPoint]:
        self.offset += 1
        return {self.tp: CommitPoint(self.offset, 1)}

    def cut_plainly(self, count: int) -> None:
        parcel = self.plain.send(self.sink, [VALUE] * count, keys(count), [0] * count)
        assert self.plain.wait([parcel], TIMEOUT)
        commit_now(self.consumer, self.points())

    def cut_in_transaction(self, count: int) -> None:
        held = self.exact.send(self.sink, [VALUE] * count, keys(count), [0] * count)
        with self.exact.transaction(TIMEOUT):
            assert self.exact.write([held], TIMEOUT)
            self.exact.send_offsets(self.consumer, self.points())
        self.exact.settle([held])

    def find_refused(self, count: int) -> None:
        stamps = [0] * count
        stamps[count // 2] = int(time.time() * 1000) + FAR
        held = self.exact.send(self.sink, [VALUE] * count, keys(count), stamps)
        while not held.refused:
            try:
                with self.exact.transaction(TIMEOUT):
                    assert not self.exact.write([held], TIMEOUT)
                    raise _RefusedError
            except _RefusedError:
                self.exact.find_refused(TIMEOUT)
        self.exact.settle([held])


class _RefusedError(Exception):
    """Ends a transaction."""


def keys(count: int) -> list[bytes | None]:
    return [b"%d" % number for number in range(count)]


def timed(cut: Callable[[int], None], count: int, rounds: int) -> str:
    cut(count)
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        cut(count)
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    return f"{statistics.median(taken):.1f} | {taken[int(len(taken) * 0.9)]:.1f}"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    place = Place(options.bootstrap)
    print(
        f"Milliseconds for one cut, {options.rounds} rounds, one broker on this machine, "
        f"confluent-kafka {confluent_kafka.version()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs\n"
    )
    print("| records | way | median | 90th percentile |\n| --: | --- | --: | --: |")
    for count in (1, 100, 5000):
        print(f"| {count} | plain | {timed(place.cut_plainly, count, options.rounds)} |")
        print(
            f"| {count} | transaction | {timed(place.cut_in_transaction, count, options.rounds)} |"
        )
    few = max(3, options.rounds // 10)
    print(f"| 100 | to find one refused | {timed(place.find_refused, 100, few)} |")


if __name__ == "__main__":
    main()
