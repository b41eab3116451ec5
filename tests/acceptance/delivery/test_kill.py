"""Workers in processes, ended in the middle of 200,000 records."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path

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

RECORDS = 200_000
PARTITIONS = 4

PIPELINE = """
import sabot

app = sabot.App({group!r}, broker={broker!r})
rows = app.stream(
    {source!r},
    auto_offset_reset="earliest",
    auto_commit_interval_ms=200,
    batch_size=500,
    # A member that is started again takes its own place: the broker need not first miss it.
    group_instance_id="the-one",
)
# Two cuts come and go before what is handed over here leaves the process.
rows.filter(lambda b: b["n"] >= 0).to_kafka(app.broker, {plain!r}, linger_ms=400)
doubled = rows.map(lambda b: b.append_column("double", b["n"] * 2))
# A queue this small is full most of the time: much is accepted late, and some never.
doubled.to_kafka(app.broker, {doubled!r}, queue_buffering_max_messages=100)
"""


class Run:
    """One group's way through the records, in one process after another."""

    def __init__(self, kafka: Kafka, source: str, folder: Path) -> None:
        self.kafka = kafka
        self.source = source
        self.group = kafka.unique("g")
        self.plain, self.doubled = (
            kafka.create_topic(kafka.unique(name), 2) for name in ("plain", "doubled")
        )
        self.folder = folder
        (folder / "pipeline.py").write_text(
            PIPELINE.format(
                group=self.group,
                broker=kafka.bootstrap,
                source=source,
                plain=self.plain,
                doubled=self.doubled,
            )
        )

    def worker(self) -> Command:
        return Command("worker", "pipeline.py", cwd=self.folder)

    @property
    def committed(self) -> int:
        return sum(self.kafka.committed(self.group, self.source).values())

    def written(self, topic: str) -> int:
        return sum(self.kafka.end_offsets(topic).values())

    def await_middle(self, worker: Command, after: int) -> None:
        """Wait until some more has been written and some of it committed."""

        def there() -> bool:
            assert worker.code is None, str(worker)
            return self.written(self.doubled) >= after and self.committed > 0

        until(there, what=f"{after} records written", timeout=60, every=0.01)

    def finish(self) -> None:
        """Run to the end of the source, then stop."""
        with self.worker() as worker:

            def done() -> bool:
                assert worker.code is None, str(worker)
                return self.committed == RECORDS

            until(done, what="all records committed", timeout=90, every=0.1)
            worker.terminate()
            assert worker.ends() == ExitCode.OK, str(worker)

    def seen(self, topic: str) -> Counter[int]:
        return Counter(json.loads(m.value())["n"] for m in self.kafka.read_all(topic))


@pytest.fixture(scope="module")
def source(kafka: Kafka) -> str:
    topic = kafka.create_topic(kafka.unique("many"), PARTITIONS)
    values = (b'{"n": %d, "name": "customer %d"}' % (n, n) for n in range(RECORDS))
    keys = [b"%d" % n for n in range(RECORDS)]
    kafka.produce(topic, values, keys=keys)
    return topic


@pytest.fixture
def run(kafka: Kafka, source: str, tmp_path: Path) -> Run:
    return Run(kafka, source, tmp_path)


def test_a_worker_that_is_killed_twice_loses_nothing(run: Run) -> None:
    for part in (1, 2):
        with run.worker() as worker:
            run.await_middle(worker, part * RECORDS // 4)
            worker.kill()
            assert worker.ends() == -signal.SIGKILL
        committed = run.committed
        assert 0 < committed < RECORDS
        # Work was under way: more had been written than was committed.
        assert run.written(run.doubled) > committed, "nothing was uncommitted at the kill"
    run.finish()
    for topic in (run.plain, run.doubled):
        seen = run.seen(topic)
        assert len(seen) == RECORDS, f"{RECORDS - len(seen)} of {RECORDS} lost in {topic}"


def test_a_worker_that_is_stopped_and_started_loses_nothing_and_repeats_nothing(
    run: Run,
) -> None:
    for part in (1, 2):
        with run.worker() as worker:
            run.await_middle(worker, part * RECORDS // 4)
            worker.terminate()
            assert worker.ends() == ExitCode.OK, str(worker)
        committed = run.committed
        assert 0 < committed < RECORDS, "the stop was not in the middle"
        assert run.written(run.plain) == run.written(run.doubled) == committed
    run.finish()
    for topic in (run.plain, run.doubled):
        seen = run.seen(topic)
        assert len(seen) == RECORDS, f"{RECORDS - len(seen)} of {RECORDS} lost in {topic}"
        assert seen.total() == RECORDS, f"{seen.total() - RECORDS} written twice to {topic}"
