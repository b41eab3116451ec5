"""State in processes that are killed: what is kept is what was committed, and no more."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.until import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(150),
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
]

RECORDS = 80_000
KEYS = 400
PARTITIONS = 4

APP = """
import sabot

app = sabot.App(
    {group!r}, broker={broker!r}, processing_guarantee={guarantee!r}, store={store!r}
)


def total(state, row):
    state = state or {{"n": 0, "sum": 0}}
    state = {{"n": state["n"] + 1, "sum": state["sum"] + row["v"]}}
    return state, {{"id": row["id"], **state}}


rows = app.stream(
    {source!r}, auto_offset_reset="earliest", auto_commit_interval_ms=100, batch_size=200,
    session_timeout_ms=6000, heartbeat_interval_ms=300, {more}
)
rows.stateful(total, store="totals").to_kafka(app.broker, {sink!r})
"""


class Counting:
    """One app that counts by key, in one process after another."""

    def __init__(
        self, kafka: Kafka, source: str, folder: Path, guarantee: str, store: str, more: str = ""
    ) -> None:
        self.kafka, self.source, self.folder = kafka, source, folder
        self.group = kafka.unique("count")
        self.sink = kafka.create_topic(kafka.unique("counts"), PARTITIONS)
        self.changelog = f"{self.group}-totals-changelog"
        (folder / "app.py").write_text(
            APP.format(
                group=self.group,
                broker=kafka.bootstrap,
                guarantee=guarantee,
                store=store,
                source=source,
                sink=self.sink,
                more=more,
            )
        )

    def worker(self, *options: str) -> Command:
        return Command("worker", "app.py:app", "--log-format", "json", *options, cwd=self.folder)

    @property
    def committed(self) -> int:
        return sum(self.kafka.committed(self.group, self.source).values())

    def await_committed(self, worker: Command, least: int) -> None:
        def there() -> bool:
            assert worker.code is None, str(worker)
            return self.committed >= least

        until(there, what=f"{least} records committed", timeout=60, every=0.02)

    def finish(self, *options: str) -> Command:
        with self.worker(*options) as worker:
            worker.line("its state restored", count=PARTITIONS)
            self.await_committed(worker, RECORDS)
            worker.terminate()
            assert worker.ends() == ExitCode.OK, str(worker)
        return worker

    def table(self) -> dict[bytes, Any]:
        """Return what the changelog says, read by an independent client."""
        kept: dict[bytes, Any] = {}
        for message in self.kafka.read_all(self.changelog):
            if message.value() is None:
                kept.pop(message.key(), None)
            else:
                kept[message.key()] = json.loads(message.value())
        return kept

    def ids(self) -> Counter[int]:
        return Counter(json.loads(m.value())["id"] for m in self.kafka.read_all(self.sink))


def fold(times: int = 1) -> dict[bytes, Any]:
    """Return what the table has to be."""
    kept: dict[bytes, Any] = {}
    for number in range(RECORDS):
        state = kept.setdefault(b"%d" % (number % KEYS), {"n": 0, "sum": 0})
        state["n"] += times
        state["sum"] += times * (number % 7)
    return kept


@pytest.fixture(scope="module")
def source(kafka: Kafka) -> str:
    topic = kafka.create_topic(kafka.unique("numbers"), PARTITIONS)
    values = (b'{"id": %d, "v": %d}' % (n, n % 7) for n in range(RECORDS))
    kafka.produce(topic, values, keys=[b"%d" % (n % KEYS) for n in range(RECORDS)])
    return topic


@pytest.mark.parametrize(
    ("guarantee", "store"), [("at_least_once", "memory"), ("exactly_once", "rocksdb")]
)
def test_a_table_is_the_fold_of_its_input_after_kills_and_a_wiped_disk(
    kafka: Kafka, source: str, tmp_path: Path, guarantee: str, store: str
) -> None:
    # A member that is started again takes its own place: the broker need not first miss it.
    static = 'group_instance_id="the-one"'
    run = Counting(kafka, source, tmp_path, guarantee, store, static)
    for part in (1, 2, 3):
        with run.worker() as worker:
            run.await_committed(worker, part * RECORDS // 8)
            worker.kill()
            assert worker.ends() == -signal.SIGKILL
        if part == 2:
            shutil.rmtree(tmp_path / "sabot-state", ignore_errors=True)
    run.finish()
    assert run.table() == fold()
    seen = run.ids()
    assert len(seen) == RECORDS, f"{RECORDS - len(seen)} lost"
    if guarantee == "exactly_once":
        assert seen.total() == RECORDS, f"{seen.total() - RECORDS} seen twice"


def test_state_and_offsets_that_do_not_go_together_are_refused_until_somebody_decides(
    kafka: Kafka, source: str, tmp_path: Path
) -> None:
    run = Counting(kafka, source, tmp_path, "at_least_once", "rocksdb")
    run.finish()
    assert run.table() == fold()
    broker = ("--broker", kafka.bootstrap)
    where = ("reset-offsets", run.group, source, "--to", "earliest", *broker)
    with Command(*where, cwd=tmp_path) as refused:
        assert refused.ends() == ExitCode.FAILED
    assert "--state keep" in str(refused)
    assert run.committed == RECORDS

    with Command(*where, "--state", "keep", cwd=tmp_path) as kept:
        assert kept.ends() == ExitCode.OK, str(kept)
    run.finish()
    assert run.table() == fold(2)

    with Command(*where, "--state", "rebuild", cwd=tmp_path) as rebuilt:
        assert rebuilt.ends() == ExitCode.OK, str(rebuilt)
    run.finish()
    assert run.table() == fold()


def test_offsets_that_somebody_else_has_set_stop_a_worker_that_has_state(
    kafka: Kafka, source: str, tmp_path: Path
) -> None:
    run = Counting(kafka, source, tmp_path, "at_least_once", "memory")
    run.finish()
    kafka.commit(run.group, source, dict.fromkeys(range(PARTITIONS), 0))
    with run.worker() as worker:
        assert worker.ends() == ExitCode.FAILED
    assert "--state keep" in str(worker)
    run.finish("--state", "rebuild")
    assert run.table() == fold()
