"""A copy of a topic under exactly-once, by processes that die or freeze at the worst moment."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from sabot.runtime.crash import CRASH_POINTS
from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.until import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
]

RECORDS = 2000

COPY = """
import sabot
from sabot.runtime.settings import WorkerSettings

app = sabot.App(
    {group!r},
    broker={broker!r},
    processing_guarantee="exactly_once",
    settings=WorkerSettings(slot={slot!r}),
)
rows = app.stream(
    {source!r},
    auto_offset_reset="earliest",
    auto_commit_interval_ms=50,
    batch_size=100,
    session_timeout_ms=6000,
    heartbeat_interval_ms=500,
    {more}
)
rows.to_kafka(app.broker, {sinks[0]!r})
rows.map(lambda b: b.append_column("double", b["n"] * 2)).to_kafka(app.broker, {sinks[1]!r})
"""

# A member that is started again takes its own place: the broker need not first miss it.
STATIC = 'group_instance_id="the-one",'

REBALANCE = ("revoke_begun", "released")


class Copy:
    """A group's way through the records, in one process after another."""

    def __init__(self, kafka: Kafka, folder: Path, records: int = RECORDS) -> None:
        self.kafka = kafka
        self.records = records
        self.group = kafka.unique("g")
        self.source = kafka.create_topic(kafka.unique("in"), 4)
        self.sinks = [kafka.create_topic(kafka.unique("out"), 2) for _ in range(2)]
        self.folder = folder
        kafka.produce(self.source, [{"n": n} for n in range(records)])

    def worker(self, *, slot: str = "0", more: str = STATIC, crash: str = "") -> Command:
        text = COPY.format(
            group=self.group,
            broker=self.kafka.bootstrap,
            slot=slot,
            source=self.source,
            sinks=self.sinks,
            more=more,
        )
        (self.folder / f"copy{slot}.py").write_text(text)
        environment = {"SABOT_CRASH_AT": crash} if crash else {}
        return Command("worker", f"copy{slot}.py", cwd=self.folder, environment=environment)

    @property
    def committed(self) -> int:
        return sum(self.kafka.committed(self.group, self.source).values())

    def feed(self, count: int) -> None:
        """Add some records."""
        before, self.records = self.records, self.records + count
        self.kafka.produce(self.source, [{"n": n} for n in range(before, self.records)])

    def feed_until_death(self, worker: Command) -> None:
        """Give it something for one more cut, again and again, until it dies."""
        while worker.code is None:
            self.feed(20)
            until(
                lambda: worker.code is not None or self.committed == self.records,
                what="a commit or the end",
            )
        assert worker.ends() == -signal.SIGKILL, str(worker)

    def finish(self, worker: Command) -> None:
        """Wait until everything is committed, and stop it."""

        def done() -> bool:
            assert worker.code is None, str(worker)
            return self.committed == self.records

        until(done, what="all records committed", timeout=60, every=0.05)
        worker.terminate()
        assert worker.ends() == ExitCode.OK, str(worker)

    def seen(self, sink: str) -> Counter[int]:
        return Counter(json.loads(m.value())["n"] for m in self.kafka.read_all(sink))

    def await_visible(self) -> None:
        """Wait until so many records as there are can be read in every output."""
        for sink in self.sinks:
            self.kafka.read(sink, self.records, timeout=60)

    def check(self) -> None:
        """Every record is in every output, once."""
        for sink in self.sinks:
            assert self.seen(sink) == Counter(range(self.records))


@pytest.fixture
def copy(kafka: Kafka, tmp_path: Path) -> Copy:
    return Copy(kafka, tmp_path)


@pytest.mark.parametrize("point", [name for name in CRASH_POINTS if name not in REBALANCE])
@pytest.mark.parametrize("number", [1, 3])
def test_a_worker_that_dies_at_any_step_of_a_cut_repeats_and_loses_nothing(
    copy: Copy, point: str, number: int
) -> None:
    with copy.worker(crash=f"{point}:{number}") as worker:
        copy.feed_until_death(worker)
    copy.feed(100)
    with copy.worker() as worker:
        copy.finish(worker)
    copy.check()


@pytest.mark.parametrize("point", REBALANCE)
def test_a_worker_that_dies_while_partitions_go_repeats_and_loses_nothing(
    copy: Copy, point: str
) -> None:
    with copy.worker(slot="0", more="", crash=point) as dies:
        until(lambda: copy.committed > 0, what="a commit", timeout=30)
        with copy.worker(slot="1", more="") as stays:
            assert dies.ends(60) == -signal.SIGKILL, str(dies)
            copy.finish(stays)
    copy.check()


def test_a_worker_that_was_frozen_past_its_session_writes_nothing_visible(copy: Copy) -> None:
    with copy.worker(slot="0", more="") as frozen:
        until(lambda: copy.committed > 0, what="a commit", timeout=30)
        frozen.freeze()
        try:
            with copy.worker(slot="1", more="") as other:

                def done() -> bool:
                    assert other.code is None, str(other)
                    return copy.committed == copy.records

                until(done, what="all records committed", timeout=60, every=0.1)
                # Frozen with a transaction open, the other hides what is behind that until
                # the broker aborts it.
                copy.await_visible()
                copy.check()
                frozen.thaw()
                copy.kafka.await_group(copy.group, members=2, timeout=60)
                copy.feed(500)
                copy.finish(other)
        finally:
            frozen.thaw()
        frozen.terminate()
        assert frozen.ends() == ExitCode.OK, str(frozen)
    copy.check()


def test_a_crash_point_nobody_knows_is_refused(copy: Copy) -> None:
    with copy.worker(crash="comitted") as worker:
        assert worker.ends() == ExitCode.USAGE
        assert "did you mean 'committed'" in worker.err
