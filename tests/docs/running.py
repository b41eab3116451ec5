"""Blocks of a page that are executed, and the outputs they define, run on the real broker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from sabot.kafka.source import KafkaSourceConfig
from sabot.plan.nodes import Scan, Write, ancestors
from sabot.plan.outputs import Output
from sabot.runtime.worker import Worker
from tests.broker import Kafka
from tests.until import until
from tests.workers import quick

__all__ = ["ADDRESS", "PARTITIONS", "Run", "addressed", "clean", "running", "sources", "targets"]

ADDRESS = "localhost:9092"
"""The address that pages write where a reader puts his own."""

PARTITIONS = 2
"""Of every topic: a producer goes on with the number it knew before a topic was made anew."""

_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)
_NOT_YET = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)
"""What a broker says of groups while it makes its offsets topic."""


def addressed(text: str, bootstrap: str) -> str:
    """Return a block's text with the broker's address for the page's; nothing else changes."""
    return text.replace(ADDRESS, bootstrap)


def sources(outputs: Iterable[Output]) -> list[KafkaSourceConfig]:
    """Return the topics that outputs read, as they were configured, each once."""
    found: dict[int, KafkaSourceConfig] = {}
    for output in outputs:
        for node in ancestors(output.node):
            if isinstance(node, Scan) and isinstance(node.source, KafkaSourceConfig):
                found[id(node)] = node.source
    return list(found.values())


def targets(outputs: Iterable[Output]) -> list[str]:
    """Return the topics that outputs write."""
    return [output.node.sink.label for output in outputs if isinstance(output.node, Write)]


def clean(kafka: Kafka, topics: Iterable[str], groups: Iterable[str]) -> None:
    """Make topics anew, empty, and let groups forget what they have committed."""
    for group in set(groups):
        until(lambda group=group: _forgotten(kafka, group), what=f"deletion of group {group}")
    names = sorted(set(topics))
    for name, future in kafka.admin.delete_topics(names).items() if names else ():
        with _gone_is_fine():
            future.result(30)
        until(lambda name=name: not kafka.partitions(name), what=f"deletion of {name}")
    for name in names:
        until(lambda name=name: _created(kafka, name), what=f"new topic {name}")


def _forgotten(kafka: Kafka, group: str) -> bool:
    try:
        with _gone_is_fine():
            kafka.admin.delete_consumer_groups([group])[group].result(30)
    except KafkaException as error:
        if error.args[0].code() not in _NOT_YET:
            raise
        return False
    return True


def _created(kafka: Kafka, name: str) -> bool:
    new = NewTopic(name, num_partitions=PARTITIONS, replication_factor=1)
    try:
        kafka.admin.create_topics([new])[name].result(30)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        # It is being deleted yet.
        return False
    until(lambda: len(kafka.partitions(name)) == PARTITIONS, what=f"leaders of {name}")
    return True


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() not in _GONE:
            raise


class Run:
    """A worker on a thread of its own.

    Attributes:
        worker: The worker.
        code: Its exit code, once it has ended.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        name: str,
        tasks: Sequence[Any] = (),
        actors: Sequence[Any] = (),
    ) -> None:
        self.worker = Worker(outputs, name=name, tasks=tasks, actors=actors, settings=quick())
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, name="sabot-page", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.code = self.worker.run()

    @property
    def has_ended(self) -> bool:
        """Whether the worker has ended."""
        return not self._thread.is_alive()

    def ends(self, timeout: float = 60) -> int:
        """Wait until the worker ends by itself; return its exit code."""
        self._thread.join(timeout)
        assert self.has_ended, f"the worker still runs after {timeout:g} s"
        assert self.code is not None
        return self.code

    def stop(self) -> int:
        """Drain, and return the exit code."""
        self.worker.request_stop("the block has been checked")
        return self.ends()


@contextlib.contextmanager
def running(
    kafka: Kafka,
    outputs: Sequence[Output],
    name: str = "page",
    tasks: Sequence[Any] = (),
    actors: Sequence[Any] = (),
) -> Iterator[Run]:
    """Run outputs from the moment every group knows where it begins to read."""
    run = Run(outputs, name, tasks, actors)
    try:
        for source in sources(outputs):
            if source.bootstrap_servers == kafka.bootstrap:
                _await_start(kafka, source, run)
        yield run
    finally:
        if not run.has_ended:
            run.stop()


def _await_start(kafka: Kafka, source: KafkaSourceConfig, run: Run) -> None:
    def started() -> bool:
        assert not run.has_ended, f"the worker has ended: {run.worker.failure!r}"
        if source.auto_offset_reset == "earliest":
            return bool(kafka.group_members(source.group_id))
        # `latest` is decided once, and committed as a decision.
        begun = kafka.committed(source.group_id, source.topic)
        return len(begun) == len(kafka.partitions(source.topic))

    until(started, what=f"start of group {source.group_id}")
