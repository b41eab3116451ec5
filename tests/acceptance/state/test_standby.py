"""Workers in processes that keep copies of each other's state, one of which is killed."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.until import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
]

PARTITIONS = 4
KEYS = 500
"""In the table, for each partition."""

PIPELINE = """
from pathlib import Path

import sabot
from sabot.runtime.settings import StateSettings, WorkerSettings

state = StateSettings(
    store={store!r}, directory=Path({directory!r}), standby_replicas={replicas}
)
app = sabot.App({group!r}, broker={broker!r}, settings=WorkerSettings(state=state))


def count(seen, row):
    seen = (seen or 0) + 1
    return seen, {{"seen": seen}}


rows = app.stream(
    {source!r},
    auto_offset_reset="earliest",
    session_timeout_ms=6000,
    heartbeat_interval_ms=300,
    partition_assignment_strategy={strategy!r},
)
rows.stateful(count, store="seen").to_kafka(app.broker, {target!r})
"""


class Group:
    """A group with a table that a commit speaks of, before any worker is there."""

    def __init__(self, kafka: Kafka, folder: Path, **options: Any) -> None:
        self.kafka = kafka
        self.folder = folder
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(kafka.unique("source"), PARTITIONS)
        self.changelog = kafka.create_topic(
            f"{self.group}-seen-changelog", PARTITIONS, cleanup_policy="compact"
        )
        target = kafka.create_topic(kafka.unique("target"), 1)
        options = {"replicas": 1, "store": "memory", "strategy": "cooperative-sticky"} | options
        (folder / "pipeline.py").write_text(
            PIPELINE.format(
                group=self.group,
                broker=kafka.bootstrap,
                source=self.source,
                target=target,
                directory=str(folder / "state"),
                **options,
            )
        )
        self._fill()

    def _fill(self) -> None:
        for partition in range(PARTITIONS):
            keys = [b"%d" % number for number in range(KEYS)]
            self.kafka.produce(self.changelog, [b"1"] * KEYS, keys=keys, partition=partition)
        self.commit(KEYS)

    def commit(self, end: int) -> None:
        """Commit that nothing of the source is done, and that state ends here."""
        noted = json.dumps({"v": 1, "cut": 1, "state": {self.changelog: end}})
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": self.group})
        offsets = [TopicPartition(self.source, n, 0, noted) for n in range(PARTITIONS)]
        consumer.commit(offsets=offsets, asynchronous=False)
        consumer.close()

    def worker(self) -> Command:
        return Command("worker", "pipeline.py", "--log-format", "json", cwd=self.folder)


def said(worker: Command, event: str) -> list[dict[str, Any]]:
    """Return what a worker has logged under this name so far."""
    assert worker.code is None, str(worker)
    lines = [line for line in worker.err.splitlines() if line.startswith("{")]
    return [found for found in map(json.loads, lines) if found["event"] == event]


def owned(worker: Command) -> set[int]:
    """Return the partitions that a worker has, as it says."""
    found: set[int] = set()
    for line in worker.err.splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == "partition assigned, its state restored":
            found.add(number_of(told["partition"]))
        elif told.get("event") in ("partitions released", "partitions lost"):
            found -= {number_of(each) for each in told["partitions"]}
    return found


def number_of(place: str) -> int:
    (number,) = re.findall(r"\[(\d+)\]$", place)
    return int(number)


def current(worker: Command) -> set[int]:
    """Return the partitions of which a worker has said that its standby is current."""
    return {number_of(each["shard"]) for each in said(worker, "standby is current")}


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_after_kill_9_of_the_owner_a_standby_needs_only_the_tail(
    kafka: Kafka, tmp_path: Path, store: str
) -> None:
    group = Group(kafka, tmp_path, store=store)
    with group.worker() as first, group.worker() as second:
        until(
            lambda: (
                len(owned(first)) == len(owned(second)) == PARTITIONS // 2
                and owned(first) | owned(second) == set(range(PARTITIONS))
                and current(second) >= owned(first)
            ),
            what="two workers with a standby of each other's partitions",
            timeout=60,
        )
        theirs = owned(first)
        before = len(said(second, "state restored"))
        first.kill()
        assert first.ends() == -signal.SIGKILL
        until(lambda: len(owned(second)) == PARTITIONS, what="one owner of all", timeout=60)
        restored = said(second, "state restored")[before:]
        assert {number_of(each["partition"]) for each in restored} == theirs
        for each in restored:
            assert (each["records"], each["had"], each["now"]) == (0, KEYS, KEYS)
        assert len(said(second, "standby takes over")) == len(theirs)


def test_without_standbys_the_whole_table_is_read(kafka: Kafka, tmp_path: Path) -> None:
    group = Group(kafka, tmp_path, replicas=0)
    with group.worker() as worker:
        until(lambda: len(owned(worker)) == PARTITIONS, what="all partitions", timeout=60)
        assert {each["records"] for each in said(worker, "state restored")} == {KEYS}
        assert said(worker, "standby is kept") == []


def test_a_worker_without_partitions_keeps_standbys_too(kafka: Kafka, tmp_path: Path) -> None:
    # With range and one topic there are more members than partitions to give.
    group = Group(kafka, tmp_path, replicas=PARTITIONS, strategy="range")
    workers = [group.worker() for _ in range(PARTITIONS + 1)]
    try:
        until(
            lambda: all(len(owned(one)) + len(current(one)) >= PARTITIONS for one in workers),
            what="every worker with all of the table",
            timeout=90,
        )
        assert sorted(len(owned(one)) for one in workers) == [0, *[1] * PARTITIONS]
    finally:
        for one in workers:
            one.__exit__(None, None, None)


def test_workers_that_come_and_go_during_a_restore_all_get_there(
    kafka: Kafka, tmp_path: Path
) -> None:
    group = Group(kafka, tmp_path, store="rocksdb")
    # Of each partition enough to be read for a while: the log is long and its end is open.
    writer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("open")}
    )
    writer.init_transactions(10)
    writer.begin_transaction()
    for partition in range(PARTITIONS):
        writer.produce(group.changelog, b"1", b"last", partition=partition)
    writer.flush(10)
    group.commit(KEYS + 1)
    with group.worker() as first, group.worker() as second:
        until(lambda: len(kafka.group_members(group.group)) == 2, what="two members")
        with group.worker() as third:
            until(lambda: len(kafka.group_members(group.group)) == 3, what="three members")
            # In the middle of their restores: none can come to its end.
            first.kill()
            assert first.ends() == -signal.SIGKILL
            assert not owned(second)
            assert not owned(third)
            until(lambda: len(kafka.group_members(group.group)) == 2, what="two members again")
            writer.commit_transaction(10)
            until(
                lambda: owned(second) | owned(third) == set(range(PARTITIONS)),
                what="all partitions with an owner",
                timeout=60,
            )
            assert not owned(second) & owned(third)
            restored = [*said(second, "state restored"), *said(third, "state restored")]
            assert {each["now"] for each in restored} == {KEYS + 1}
