"""What a second thread waits for when it calls a consumer that another thread polls.

    python -m benchmarks.consumer_threads --bootstrap localhost:9092

One thread polls an empty topic with a time-out, again and again, as a reader does; another
commits an offset. Prints how long each commit took, in Markdown, and for comparison how
long it takes where the polling thread commits itself between two polls.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import queue
import statistics
import threading
import time
import uuid
from concurrent.futures import Future

import confluent_kafka
from confluent_kafka import Consumer, TopicPartition

from sabot.kafka.admin import create_topic

Request = Future[float]


class Poller:
    """Polls a consumer on a thread of its own."""

    def __init__(self, consumer: Consumer, timeout: float) -> None:
        self._consumer = consumer
        self._timeout = timeout
        self._ended = threading.Event()
        self._requests: queue.SimpleQueue[tuple[TopicPartition, Request]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            while not self._requests.empty():
                place, answer = self._requests.get()
                self._consumer.commit(offsets=[place], asynchronous=False)
                answer.set_result(time.perf_counter())
            self._consumer.poll(self._timeout)

    def ask(self, place: TopicPartition) -> Request:
        """Let the polling thread commit."""
        answer: Request = Future()
        self._requests.put((place, answer))
        return answer

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def commit(consumer: Consumer, place: TopicPartition, done: Request) -> None:
    """Commit from another thread than the one that polls."""
    with contextlib.suppress(RuntimeError):  # closed before the commit's turn came
        consumer.commit(offsets=[place], asynchronous=False)
        done.set_result(time.perf_counter())


def commits(
    bootstrap: str, topic: str, timeout: float, count: int, *, asked: bool
) -> tuple[list[float], int]:
    """Return how long commits took, and how many had not returned after 10 seconds."""
    group = f"consumer-threads-{uuid.uuid4().hex[:8]}"
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False}
    )
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
    poller = Poller(consumer, timeout)
    took: list[float] = []
    for number in range(count):
        place = TopicPartition(topic, 0, number)
        began = time.perf_counter()
        done: Request = Future()
        if asked:
            done = poller.ask(place)
        else:
            threading.Thread(target=commit, args=(consumer, place, done), daemon=True).start()
        try:
            took.append(done.result(timeout=10) - began)
        except TimeoutError:
            break
    poller.stop()
    consumer.close()
    return took, int(len(took) < count)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    topic = f"consumer-threads-{uuid.uuid4().hex[:8]}"
    create_topic(options.bootstrap, topic, 1)
    print(
        f"Milliseconds per commit, {options.count} commits, confluent-kafka "
        f"{confluent_kafka.version()}, librdkafka {confluent_kafka.libversion()[0]}, Python "
        f"{platform.python_version()}, {os.cpu_count()} CPUs\n"
    )
    print("| who commits | poll time-out | median | highest | after 10 s not back |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for asked, who in ((False, "a second thread"), (True, "the polling thread, asked")):
        for timeout in (0.05, 0.5, 2.0):
            took, lost = commits(options.bootstrap, topic, timeout, options.count, asked=asked)
            middle = f"{1000 * statistics.median(took):.1f}" if took else "–"
            highest = f"{1000 * max(took):.1f}" if took else "–"
            print(f"| {who} | {timeout:g} s | {middle} | {highest} | {lost} |")


if __name__ == "__main__":
    main()
