"""How a worker's process ends, whatever it is doing when it is told to: row 17."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from sabot.runtime.exit_codes import ExitCode
from scripts.kafka import Broker
from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.conftest import own_broker_process
from tests.until import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals"),
]

DRAIN = 2.0
PROMISED = DRAIN + 5.0
"""A stop takes at most this long, says docs/operations.md."""

APP = """
import sys, threading, time
import sabot
from sabot.runtime.settings import WorkerSettings

settings = WorkerSettings(drain_timeout_seconds={drain})
app = sabot.App({group!r}, broker={broker!r}, settings=settings)
options = dict(
    auto_offset_reset="earliest", auto_commit_interval_ms=100, connect_timeout_seconds=8.0,
    heartbeat_interval_ms=300, session_timeout_ms=6000,
)
rows = app.stream({source!r}, **options)
"""

COPIES = APP + "rows.to_kafka(app.broker, {sink!r})\n"

HANGS_IN_A_STEP = (
    APP
    + """
def hang(batch):
    print("in hand", flush=True)
    threading.Event().wait()
rows.map(hang).to_kafka(app.broker, {sink!r})
"""
)

BLOCKS_THE_LOOP = (
    APP
    + """
@app.agent({source!r}, **options)
async def hang(events):
    async for event in events:
        print("in hand", flush=True)
        time.sleep(3600)
"""
)

COUNTS = (
    APP
    + """
rows.stateful(lambda seen, row: (1, row), store="seen").to_kafka(app.broker, {sink!r})
"""
)

EXITS = (
    APP
    + """
def leave(batch):
    sys.exit(3)
rows.map(leave).to_kafka(app.broker, {sink!r})
"""
)

EXITS_IN_AN_AGENT = (
    APP
    + """
@app.agent({source!r}, **options)
async def leave(events):
    async for event in events:
        sys.exit(3)
"""
)

EXITS_IN_A_TASK = (
    APP
    + """
rows.to_kafka(app.broker, {sink!r})
@app.task
async def leave():
    sys.exit(3)
"""
)


FAILS_WHILE_THE_LOOP_IS_BLOCKED = (
    APP
    + """
rows.to_kafka(app.broker, {sink!r})
blocked = threading.Event()
@app.task
async def blocks():
    blocked.set()
    threading.Event().wait()
@app.task
def fails():
    blocked.wait()
    raise ValueError("the first cause")
"""
)


@pytest.fixture(scope="module")
def frozen_later() -> Iterator[tuple[Broker, Kafka]]:
    """A broker that a test may freeze, if it thaws it again."""
    with own_broker_process() as found:
        yield found


class Scene:
    """A topic with a record in it, and workers that read it."""

    def __init__(self, kafka: Kafka, folder: Path, text: str) -> None:
        self.kafka = kafka
        self.group = kafka.unique("g")
        self.source, self.sink = (kafka.create_topic(kafka.unique(n), 2) for n in ("in", "out"))
        kafka.produce(self.source, [{"n": 1}])
        self.folder = folder
        self.write(text)

    def write(self, text: str) -> None:
        """Make this the program of workers that are started from now on."""
        (self.folder / "shop.py").write_text(
            text.format(
                group=self.group,
                broker=self.kafka.bootstrap,
                source=self.source,
                sink=self.sink,
                drain=DRAIN,
            )
        )

    def worker(self) -> Command:
        return Command("worker", "shop.py", "--log-format", "json", cwd=self.folder)


def ends_in_time(worker: Command, how: str) -> int:
    """Send a signal, and return the exit code if the promise is kept."""
    started = time.monotonic()
    getattr(worker, how)()
    code = worker.ends(60)
    took = time.monotonic() - started
    assert took <= PROMISED, f"{took:.1f} s\n{worker}"
    return code


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_an_idle_worker_ends_well(kafka: Kafka, tmp_path: Path, how: str) -> None:
    scene = Scene(kafka, tmp_path, COPIES)
    with scene.worker() as worker:
        worker.line("partitions assigned")
        kafka.read(scene.sink, 1)
        assert ends_in_time(worker, how) == ExitCode.OK, str(worker)
    assert sum(kafka.committed(scene.group, scene.source).values()) == 1
    assert "what each thread does" not in worker.err


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
@pytest.mark.parametrize(
    ("text", "guilty"),
    [(HANGS_IN_A_STEP, "in hang"), (BLOCKS_THE_LOOP, "in hang")],
    ids=["a step", "the event loop"],
)
def test_a_handler_that_hangs_is_left_behind_and_its_record_with_it(
    kafka: Kafka, tmp_path: Path, how: str, text: str, guilty: str
) -> None:
    scene = Scene(kafka, tmp_path, text)
    with scene.worker() as worker:
        worker.line("in hand")
        assert ends_in_time(worker, how) == ExitCode.DRAIN, str(worker)
    assert sum(kafka.committed(scene.group, scene.source).values()) == 0
    if text is BLOCKS_THE_LOOP:
        # The main thread is the one that hangs, so the process was ended, and says where.
        assert "what each thread does" in worker.err
        assert guilty in worker.err
    # It was not lost, either: the next one takes it.
    scene.write(COPIES)
    with scene.worker() as next_one:
        assert len(kafka.read(scene.sink, 1)) == 1
        assert ends_in_time(next_one, how) == ExitCode.OK, str(next_one)


def test_a_loop_that_never_comes_back_does_not_keep_a_process_that_has_failed(
    kafka: Kafka, tmp_path: Path
) -> None:
    scene = Scene(kafka, tmp_path, FAILS_WHILE_THE_LOOP_IS_BLOCKED)
    with scene.worker() as worker:
        assert worker.ends(60) == ExitCode.FAILED, str(worker)
    assert "the first cause" in worker.err
    assert "what each thread does" in worker.err
    assert "in blocks" in worker.err


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_worker_ends_in_the_middle_of_a_rebalance(kafka: Kafka, tmp_path: Path, how: str) -> None:
    scene = Scene(kafka, tmp_path, COPIES)
    with scene.worker() as first:
        first.line("partitions assigned")
        with scene.worker() as second:
            # The first gives up half of what it has, for the second to take.
            first.line("partitions released")
            codes = [ends_in_time(first, how), ends_in_time(second, how)]
    assert codes == [ExitCode.OK, ExitCode.OK], f"{first}{second}"


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_worker_ends_in_the_middle_of_a_restore(kafka: Kafka, tmp_path: Path, how: str) -> None:
    scene = Scene(kafka, tmp_path, COUNTS)
    changelog = kafka.create_topic(f"{scene.group}-seen-changelog", 2, cleanup_policy="compact")
    # What is below the position to restore is not decided yet, so that no restore ends.
    undecided = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("undecided")}
    )
    undecided.init_transactions(10)
    undecided.begin_transaction()
    for partition in (0, 1):
        undecided.produce(changelog, b"1", b"k", partition=partition)
    undecided.flush(10)
    noted = json.dumps({"v": 1, "cut": 1, "state": {changelog: 1}})
    kafka.commit(scene.group, scene.source, {0: 0, 1: 0}, metadata=noted)
    with scene.worker() as worker:
        worker.line("restoring state")
        assert ends_in_time(worker, how) == ExitCode.OK, str(worker)
    assert "state restored" not in worker.err
    assert set(kafka.committed_metadata(scene.group, scene.source).values()) == {noted}
    undecided.abort_transaction(10)


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
@pytest.mark.parametrize(("commits", "expected"), [(100, ExitCode.OK), (3_600_000, ExitCode.DRAIN)])
def test_a_worker_ends_though_its_broker_is_frozen(
    frozen_later: tuple[Broker, Kafka],
    tmp_path: Path,
    how: str,
    commits: int,
    expected: ExitCode,
) -> None:
    process, kafka = frozen_later
    scene = Scene(kafka, tmp_path, COPIES.replace("ms=100", f"ms={commits}"))
    with scene.worker() as worker:
        worker.line("partitions assigned")
        kafka.read(scene.sink, 1)
        if expected is ExitCode.OK:
            until(
                lambda: sum(kafka.committed(scene.group, scene.source).values()) == 1,
                what="nothing left to commit",
            )
        os.kill(process.pid, signal.SIGSTOP)
        try:
            code = ends_in_time(worker, how)
        finally:
            os.kill(process.pid, signal.SIGCONT)
    assert code == expected, str(worker)


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_second_signal_ends_it_at_once(kafka: Kafka, tmp_path: Path, how: str) -> None:
    scene = Scene(kafka, tmp_path, BLOCKS_THE_LOOP.replace("{drain}", "3600"))
    with scene.worker() as worker:
        worker.line("in hand")
        worker.terminate()
        worker.line('"stopping"')
        getattr(worker, how)()
        assert worker.ends(10) == ExitCode.INTERRUPTED, str(worker)


@pytest.mark.parametrize(
    "text", [EXITS, EXITS_IN_AN_AGENT, EXITS_IN_A_TASK], ids=["a step", "an agent", "a task"]
)
def test_an_exit_in_a_handler_is_the_exit_of_the_process(
    kafka: Kafka, tmp_path: Path, text: str
) -> None:
    scene = Scene(kafka, tmp_path, text)
    with scene.worker() as worker:
        assert worker.ends(60) == 3, str(worker)
    if text is not EXITS_IN_A_TASK:
        assert sum(kafka.committed(scene.group, scene.source).values()) == 0
