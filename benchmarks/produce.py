"""What it costs to hand a record to the client, and what its batch call does with the tail.

    python -m benchmarks.produce --bootstrap localhost:9092

Three ways to write the same records: `produce` without and with a delivery report, and
`produce_batch`. Only the calls are timed, by the CPU time of the calling thread; the queue
is emptied between two rounds, so nothing waits for the broker. Then a producer with room
for 100 records is given 1,000 by `produce_batch`. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

from sabot.kafka.admin import create_topic

VALUE = b'{"id": %08d, "type": "A", "amount": 1234.5, "note": "' + b"x" * 90 + b'"}'
STAMP = 1_600_000_000_000


class Report:
    """Counts delivery reports; bound once, as a parcel of Sabot's sink does."""

    def __init__(self) -> None:
        self.good = 0

    def __call__(self, error: Any, _message: Any) -> None:
        self.good += error is None


def single(producer: Producer, topic: str, values: list[bytes], report: Any) -> None:
    produce = producer.produce
    for value in values:
        produce(topic, value, value[7:15], -1, report, None, STAMP)


def batch(producer: Producer, topic: str, values: list[bytes], report: Any) -> None:
    messages = [{"value": value, "key": value[7:15]} for value in values]
    if report is None:
        producer.produce_batch(topic, messages)
    else:
        producer.produce_batch(topic, messages, on_delivery=report)


WAYS: dict[str, tuple[Callable[..., None], bool]] = {
    "produce": (single, False),
    "produce, with a report": (single, True),
    "produce_batch": (batch, False),
    "produce_batch, with a report": (batch, True),
}


def measure(bootstrap: str, topic: str, records: int, rounds: int) -> None:
    """Print the table."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 5,
            "queue.buffering.max.messages": 2 * records,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )
    values = [VALUE % number for number in range(records)]
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds + 1):
        for name, (way, reported) in WAYS.items():
            report = Report() if reported else None
            began = time.thread_time_ns()
            way(producer, topic, values, report)
            called = time.thread_time_ns() - began
            began = time.thread_time_ns()
            producer.flush()
            took[name].append((called + time.thread_time_ns() - began) / records / 1000)
            assert report is None or report.good == records
    print("| way | median | lowest | highest |\n| --- | ---: | ---: | ---: |")
    for name, each in took.items():
        kept = each[1:]  # the first round fills caches
        print(f"| {name} | {statistics.median(kept):.2f} | {min(kept):.2f} | {max(kept):.2f} |")


def overfill(bootstrap: str, topic: str) -> None:
    """Print what `produce_batch` does with 1,000 records and room for 100."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 1000,
            "queue.buffering.max.messages": 100,
        }
    )
    reports: list[Any] = []
    messages: list[Any] = [{"value": VALUE % number} for number in range(1000)]
    raised = "nothing"
    accepted = None
    try:
        accepted = producer.produce_batch(
            topic, messages, on_delivery=lambda error, _: reports.append(error)
        )
    except (BufferError, confluent_kafka.KafkaException) as error:
        raised = type(error).__name__
    producer.flush()
    kept = [number for number, each in enumerate(messages) if "_error" not in each]
    print(
        f"\n1,000 records for a queue of 100: produce_batch returned {accepted} and raised "
        f"{raised}; {len(reports)} reports came; it took the first {len(kept)}: "
        f"{kept == list(range(len(kept)))}"
    )


def attributes(bootstrap: str, topic: str) -> None:
    """Print what of a record `produce_batch` carries."""
    producer = Producer({"bootstrap.servers": bootstrap})
    try:
        producer.produce_batch(topic, [{"value": b"1", "timestamp": STAMP}])
    except NotImplementedError as error:
        print(f"\nA timestamp: NotImplementedError: {error}")
    producer.flush()
    topic = f"{topic}-headers"
    create_topic(bootstrap, topic, 1)
    message: Any = {"value": b"1", "headers": [("a", b"b")]}
    producer.produce_batch(topic, [message])
    producer.flush()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = None
    while found is None:
        found = consumer.poll(1.0)
    consumer.close()
    print(f"\nA header {message['headers']!r}: the record has headers {found.headers()!r}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    topics = [f"produce-{name}-{uuid.uuid4().hex[:8]}" for name in ("time", "full", "one")]
    for topic in topics:
        create_topic(options.bootstrap, topic, 4)
    print(
        f"CPU microseconds per record of the calling thread, delivery reports included; "
        f"{options.records:,} records of {len(VALUE % 0)} bytes, {options.rounds} rounds, "
        f"confluent-kafka {confluent_kafka.version()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs\n"
    )
    measure(options.bootstrap, topics[0], options.records, options.rounds)
    overfill(options.bootstrap, topics[1])
    attributes(options.bootstrap, topics[2])


if __name__ == "__main__":
    main()
