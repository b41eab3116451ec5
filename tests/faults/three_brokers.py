"""Three brokers that keep three copies of everything, each of which may be bounced."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from scripts import kafka as kafka_script
from tests.broker import Kafka
from tests.faults.lab import guarded
from tests.until import until

__all__ = ["ThreeBrokers"]

_NODES = (1, 2, 3)

_COPIES = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


class ThreeBrokers:
    """A cluster for one scenario; each node is a broker and a controller.

    Use it in a ``with`` block.

    Attributes:
        kafka: Its clients.
    """

    kafka: Kafka

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._settings: dict[int, Path] = {}

    def __enter__(self) -> Self:
        libs = kafka_script.fetch()
        root = Path(tempfile.mkdtemp(prefix="sabot-kafka-"))
        self._stack.callback(shutil.rmtree, root, ignore_errors=True)
        cluster = kafka_script.new_cluster_id()
        ports = {node: kafka_script.free_ports(4) for node in _NODES}
        voters = ",".join(f"{node}@127.0.0.1:{ports[node][2]}" for node in _NODES)
        for node in _NODES:
            folder = root / str(node)
            folder.mkdir()
            changes = {**_COPIES, "node.id": str(node), "controller.quorum.voters": voters}
            self._settings[node] = kafka_script.write_settings(folder, ports[node], changes)
            kafka_script.format_storage(libs, self._settings[node], cluster)
        self._stack.callback(self._end)
        for node in _NODES:
            self._launch(node)
        for node in _NODES:
            self._await(node)
        addresses = ",".join(f"127.0.0.1:{ports[node][0]}" for node in _NODES)
        self.kafka = Kafka(addresses)
        self.kafka.replicas = len(_NODES)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def bounce(self, node: int, *, hard: bool) -> None:
        """End one node, start it again, and wait until all copies are level.

        Args:
            node: Which, from 1 to 3: one of them leads the controllers, and each leads some
                partitions.
            hard: Whether it is killed, or asked to end.
        """
        process = self._running[node]
        if hard:
            kafka_script.end(process)
        else:
            process.terminate()
            process.wait(60)
        self._launch(node)
        self._await(node)
        until(self._is_level, what="all copies level", timeout=60, every=0.2)

    def _is_level(self) -> bool:
        topics = self.kafka.admin.list_topics(timeout=10).topics.values()
        return all(
            len(partition.isrs) == len(_NODES)
            for topic in topics
            for partition in topic.partitions.values()
        )

    def _launch(self, node: int) -> None:
        process = kafka_script.launch(kafka_script.fetch(), self._settings[node])
        self._running[node] = process
        self._stack.enter_context(guarded(process.pid))

    def _await(self, node: int) -> None:
        log = self._settings[node].parent / "broker.log"
        kafka_script.wait_ready(self._running[node], log, 90)

    def _end(self) -> None:
        for process in self._running.values():
            kafka_script.end(process)
