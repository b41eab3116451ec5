"""A restart after ``kill -9`` on the same disk costs the tail and not the table: row 22."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.until import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
]

KEYS = 20_000
PORTION = 500
PARTITIONS = 2

APP = """
import sabot

app = sabot.App(
    {group!r}, broker={broker!r}, processing_guarantee={guarantee!r}, store="rocksdb"
)


def count(seen, row):
    seen = (seen or 0) + 1
    return seen, {{"n": row["n"], "seen": seen}}


rows = app.stream(
    {source!r}, auto_offset_reset="earliest", auto_commit_interval_ms=100,
    session_timeout_ms=6000, heartbeat_interval_ms=300, group_instance_id="the-one",
)
rows.stateful(count, store="seen").to_kafka(app.broker, {sink!r})
"""


class Counting:
    """An app that counts by key, and what has been given to it."""

    def __init__(self, kafka: Kafka, folder: Path, guarantee: str) -> None:
        self.kafka, self.folder = kafka, folder
        self.group = kafka.unique("g")
        self.source, self.sink = (kafka.create_topic(kafka.unique(n), PARTITIONS) for n in "io")
        self.changelog = f"{self.group}-seen-changelog"
        self.written = 0
        (folder / "app.py").write_text(
            APP.format(
                group=self.group,
                broker=kafka.bootstrap,
                guarantee=guarantee,
                source=self.source,
                sink=self.sink,
            )
        )

    def worker(self, crash_at: str = "") -> Command:
        environment = {"SABOT_CRASH_AT": crash_at} if crash_at else {}
        command = ("worker", "app.py:app", "--log-format", "json")
        return Command(*command, cwd=self.folder, environment=environment)

    def feed(self, count: int) -> None:
        """Write so many records, each of the next key."""
        numbers = range(self.written, self.written + count)
        keys = [b"%d" % (n % KEYS) for n in numbers]
        self.kafka.produce(self.source, [{"n": n} for n in numbers], keys=keys)
        self.written += count

    def done(self, worker: Command) -> bool:
        assert worker.code is None, str(worker)
        return sum(self.kafka.committed(self.group, self.source).values()) == self.written

    def table(self) -> dict[bytes, Any]:
        records = self.kafka.read_all(self.changelog)
        return {record.key(): json.loads(record.value()) for record in records}


def restored(worker: Command) -> list[dict[str, Any]]:
    worker.line("its state restored", count=PARTITIONS)
    lines = [json.loads(line) for line in worker.err.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "state restored"]


@pytest.mark.parametrize(
    ("guarantee", "point"),
    [("at_least_once", "committed"), ("exactly_once", "committed"), ("exactly_once", "")],
    ids=["at least once, amid a cut", "exactly once, amid a cut", "exactly once, at any time"],
)
def test_after_kill_9_a_restart_reads_less_than_two_commits_of_changelog(
    kafka: Kafka, tmp_path: Path, guarantee: str, point: str
) -> None:
    run = Counting(kafka, tmp_path, guarantee)
    with run.worker() as worker:
        run.feed(KEYS)
        until(lambda: run.done(worker), what="the whole table committed", timeout=60)
        worker.terminate()
        assert worker.ends() == ExitCode.OK, str(worker)
    # One commit at least for each portion. At the point nothing of the last one is in
    # the store yet, and all of it is in the changelog.
    with run.worker(f"{point}:4" if point else "") as worker:
        for _ in range(4):
            run.feed(PORTION)
            until(
                lambda: worker.code is not None or run.done(worker),
                what="a commit or the end",
                timeout=60,
            )
        if not point:
            run.feed(PORTION)
            worker.kill()
        assert worker.ends() == -signal.SIGKILL, str(worker)
    with run.worker() as worker:
        found = restored(worker)
        until(lambda: run.done(worker), what="all records committed", timeout=60)
        worker.terminate()
        assert worker.ends() == ExitCode.OK, str(worker)
    assert len(found) == PARTITIONS
    assert sum(each["had"] for each in found) >= KEYS
    assert sum(each["records"] for each in found) <= 2 * PORTION, found
    if point:
        assert sum(each["records"] for each in found) > 0, "nothing was left to read"
    assert len(run.table()) == KEYS
    times = [run.table()[b"%d" % key] for key in (0, KEYS - 1)]
    assert times == [2, 1]
