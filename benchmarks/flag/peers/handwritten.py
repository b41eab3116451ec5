"""The yardstick: the loop a careful engineer writes with confluent-kafka and orjson.

At-least-once: offsets are committed only after everything produced from them was
acknowledged, at most every ``FLAG_COMMIT_SECONDS``. A failed delivery ends the process
before the commit. Key and timestamp of the source record go with its output.
"""

from __future__ import annotations

import os
import signal
import time
from threading import Event

import librdkafka
import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

BATCH = int(os.environ["FLAG_BATCH"])
COMMIT_SECONDS = float(os.environ["FLAG_COMMIT_SECONDS"])


def failed(error: KafkaError | None, _message: Message) -> None:
    """Raise what the producer could not deliver, out of ``poll`` or ``flush``."""
    if error is not None:
        raise KafkaException(error)


def main() -> None:
    """Run until SIGTERM."""
    broker = {"bootstrap.servers": os.environ["FLAG_BROKER"]}
    group = {
        "group.id": os.environ["FLAG_GROUP"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer({**librdkafka.CONSUMER, **broker, **group})
    producer = Producer(
        {**librdkafka.PRODUCER, **broker, "delivery.report.only.error": True, "on_delivery": failed}
    )
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda _signum, _frame: stopping.set())
    consumer.subscribe([os.environ["FLAG_INPUT"]])
    try:
        loop(consumer, producer, os.environ["FLAG_OUTPUT"], stopping)
    finally:
        consumer.close()


def loop(consumer: Consumer, producer: Producer, output: str, stopping: Event) -> None:
    """Consume, decode, filter, add, encode, produce; commit what was delivered."""
    loads, dumps, produce, poll = orjson.loads, orjson.dumps, producer.produce, producer.poll
    uncommitted = False
    due = time.monotonic() + COMMIT_SECONDS
    while not stopping.is_set():
        for message in consumer.consume(BATCH, 0.05):
            if message.error():
                raise KafkaException(message.error())
            row = loads(message.value())
            if row["amount"] > 1000.0:
                row["flagged"] = True
                value = dumps(row)
                while True:
                    try:
                        produce(output, value, message.key(), timestamp=message.timestamp()[1])
                        break
                    except BufferError:
                        poll(0.01)
            uncommitted = True
        poll(0)
        if uncommitted and time.monotonic() >= due:
            producer.flush()
            consumer.commit(asynchronous=False)
            uncommitted = False
            due = time.monotonic() + COMMIT_SECONDS
    producer.flush()
    if uncommitted:
        consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()
