"""What is asked of the client inside an assignment's callback must leave it usable."""

from __future__ import annotations

import sys
from pathlib import Path

from sabot.testing import WorkerProcess
from tests.broker import Kafka

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
from confluent_kafka import Consumer

from sabot.kafka.baseline import resolve_positions
from sabot.testing import FaultProxy
from sabot.types import TopicPartition

with FaultProxy({behind_proxy!r}, {port}) as proxy:
    complaints = []
    consumer = Consumer(
        {{
            "bootstrap.servers": proxy.bootstrap,
            "group.id": {group!r},
            "log_level": 0,
            "error_cb": complaints.append,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }}
    )

    def assigned(consumer, partitions):
        found = [TopicPartition(each.topic, each.partition) for each in partitions]
        resolve_positions(consumer, found, {reset!r}, timeout=10, known={{{topic!r}: [0, 1]}})
        consumer.assign(partitions)
        # The complaint about it comes in the same poll.
        proxy.cut()

    consumer.subscribe([{topic!r}], on_assign=assigned)
    while not complaints:
        consumer.poll(5)
    proxy.heal()
    consumer.close()
print("survived")
"""


def test_a_connection_lost_in_the_poll_of_an_assignment_is_survived(
    kafka_behind_proxy: Kafka,
) -> None:
    kafka = kafka_behind_proxy
    topic = kafka.create_topic(kafka.unique("lost-in-callback"), 2)
    for reset in ("earliest", "latest"):
        script = SCRIPT.format(
            behind_proxy=kafka.behind_proxy,
            port=kafka.proxied_port,
            group=kafka.unique("g"),
            topic=topic,
            reset=reset,
        )
        # The client aborts where it fails, and takes its process along.
        with WorkerProcess(
            [sys.executable, "-c", script], environment={"PYTHONPATH": str(ROOT)}
        ) as process:
            assert process.ends() == 0, str(process)
            assert process.out == "survived\n"
