"""How fast one consumer reads a topic with librdkafka's fetch defaults and with Sabot's.

    python benchmarks/fetch_defaults.py --bootstrap localhost:9092 --records 200000

Each setting reads the same topic from its beginning, without a group, the way Sabot's
reader does: wait for the first record, then take what is there. Settings take turns, so
that a machine that slows down slows all of them. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
import uuid
from typing import Any

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

from sabot.kafka.admin import create_topic
from sabot.kafka.source_config import KafkaSourceConfig

VALUE = b'{"id": %08d, "type": "A", "amount": 1234.5, "note": "' + b"x" * 60 + b'"}'
OURS = (
    "fetch.queue.backoff.ms",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "fetch.max.bytes",
)


def settings(bootstrap: str) -> dict[str, dict[str, Any]]:
    """Return what is compared: the client's defaults, one change at a time, and all."""
    ours = KafkaSourceConfig(bootstrap, "t", "g").client_properties()
    tuned = {name: ours[name] for name in OURS}
    compared: dict[str, dict[str, Any]] = {"librdkafka's defaults": {}}
    for name in ("fetch.queue.backoff.ms", "queued.min.messages"):
        compared[f"{name}={tuned[name]}"] = {name: tuned[name]}
    compared["Sabot's defaults"] = tuned
    return compared


def fill(bootstrap: str, topic: str, records: int, partitions: int) -> None:
    """Write the topic that is read."""
    create_topic(bootstrap, topic, partitions)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for number in range(records):
        while True:
            try:
                producer.produce(topic, VALUE % number, partition=number % partitions)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


def read(bootstrap: str, topic: str, records: int, batch: int, changes: dict[str, Any]) -> float:
    """Read everything once and return records per second, from the first record on."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            **changes,
        }
    )
    numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    seen, started = 0, 0.0
    while seen < records:
        first = consumer.poll(1.0)
        if first is None:
            continue
        started = started or time.perf_counter()
        messages = [first, *consumer.consume(batch - 1, 0)]
        seen += sum(message.error() is None for message in messages)
    took = time.perf_counter() - started
    consumer.close()
    return seen / took


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    topic = f"fetch-defaults-{uuid.uuid4().hex[:8]}"
    fill(options.bootstrap, topic, options.records, options.partitions)
    compared = settings(options.bootstrap)
    rates: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(options.rounds):
        for name, changes in compared.items():
            rates[name].append(
                read(options.bootstrap, topic, options.records, options.batch, changes)
            )
    client = f"confluent-kafka {confluent_kafka.version()}"
    size = len(VALUE % 0)
    print(
        f"{options.records:,} records of {size} bytes, {options.partitions} partitions, batches "
        f"of {options.batch}, {options.rounds} rounds, {client}, Python "
        f"{platform.python_version()}, {os.cpu_count()} CPUs\n"
    )
    print("| setting | median, records/s | lowest | highest |\n|---|---:|---:|---:|")
    for name, each in rates.items():
        middle = statistics.median(each)
        print(f"| {name} | {middle:,.0f} | {min(each):,.0f} | {max(each):,.0f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory of the whole run: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
