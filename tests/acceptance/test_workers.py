"""``sabot worker --workers N``: processes that share the work under one that watches."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import Counter
from http.client import HTTPConnection
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
    pytest.mark.skipif(sys.platform == "win32", reason="it is refused there"),
]

APP = """
import os, sys, threading
import sabot
from sabot.actors import Backoff, RestartLimit
from sabot.runtime.settings import WorkerSettings

settings = WorkerSettings(
    drain_timeout_seconds=3, restart_backoff=Backoff(min_seconds=0.1, max_seconds=0.2),
    restart_limit=RestartLimit(count=2, window_seconds=60),
)
app = sabot.App({group!r}, broker={broker!r}, settings=settings)
options = dict(
    auto_offset_reset="earliest", auto_commit_interval_ms=100,
    heartbeat_interval_ms=300, session_timeout_ms=6000,
)
rows = app.stream({source!r}, **options)
"""

COPIES = APP + "rows.to_kafka(app.broker, {sink!r})\n"

BROKEN = (
    APP
    + """
def broken(batch):
    raise KeyError("price")
rows.map(broken).to_kafka(app.broker, {sink!r})
"""
)

HANGS = (
    APP
    + """
def hang(batch):
    print("in hand", flush=True)
    threading.Event().wait()
rows.map(hang).to_kafka(app.broker, {sink!r})
"""
)


class Scene:
    """Two partitions, and workers that copy them."""

    def __init__(self, kafka: Kafka, folder: Path, text: str = COPIES) -> None:
        self.kafka = kafka
        self.group = kafka.unique("g")
        self.source, self.sink = (kafka.create_topic(kafka.unique(n), 2) for n in ("in", "out"))
        self.folder = folder
        (folder / "shop.py").write_text(
            text.format(
                group=self.group, broker=kafka.bootstrap, source=self.source, sink=self.sink
            )
        )

    def workers(self, count: int, *options: str) -> Command:
        return Command(
            *("worker", "shop.py", "--workers", str(count), "--log-format", "json", *options),
            cwd=self.folder,
        )


def events(command: Command, name: str) -> list[dict[str, Any]]:
    """Return what was logged under a name."""
    lines = (json.loads(line) for line in command.err.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == name]


def probe(command: Command, path: str) -> tuple[int, Any]:
    """Ask for a page where the command says that it answers."""
    found = re.search(r"answered at ([\d.]+):(\d+)", command.line("answered at"))
    assert found
    return page(found[1], int(found[2]), path)


def page(host: str, port: int, path: str) -> tuple[int, Any]:
    """Return the status of a page and what it says."""
    connection = HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_they_share_the_work_and_one_signal_stops_them_all(kafka: Kafka, tmp_path: Path) -> None:
    scene = Scene(kafka, tmp_path)
    with scene.workers(2, "--web-port", "0", "--static-membership", "--slot", "a") as pool:
        until(lambda: probe(pool, "/ready")[0] == 200, what="readiness", every=0.2)
        kafka.await_group(scene.group, members=2)
        for partition in (0, 1):
            kafka.produce(scene.source, [{"n": partition}], partition=partition)
        kafka.read(scene.sink, 2)
        assert probe(pool, "/health") == (200, {"ok": True, "reasons": []})
        shown = probe(pool, "/")[1]["workers"]
        until(lambda: len(events(pool, "partitions assigned")) >= 2, what="both assigned")
        names = instances(kafka, scene.group)
        pool.terminate()
        assert pool.ends() == ExitCode.OK, str(pool)
    assert set(shown) == {"1", "2"}
    assert names == {f"{scene.group}-a-1", f"{scene.group}-a-2"}
    assert {line["worker"] for line in events(pool, "stopped")} == {1, 2}
    assert sum(kafka.committed(scene.group, scene.source).values()) == 2
    assert pool.err.count(f"app {scene.group!r}") == 1, "only the parent greets"


def test_one_worker_answers_probes_itself(kafka: Kafka, tmp_path: Path) -> None:
    scene = Scene(kafka, tmp_path)
    with scene.workers(1, "--web-port", "0") as worker:
        port = json.loads(worker.line("probes are answered"))["port"]
        until(lambda: page("127.0.0.1", port, "/ready")[0] == 200, what="readiness")
        assert page("127.0.0.1", port, "/health")[0] == 200
        assert page("127.0.0.1", port, "/")[1]["name"] == scene.group
        with scene.workers(1, "--web-port", str(port)) as second:
            assert second.ends() == ExitCode.USAGE
        assert f"nothing can be served at 127.0.0.1:{port}" in second.err
        assert "Traceback" not in second.err
        worker.terminate()
        assert worker.ends() == ExitCode.OK, str(worker)


def instances(kafka: Kafka, group: str) -> set[str | None]:
    """Return the lasting names of a group's members."""
    described = kafka.admin.describe_consumer_groups([group])[group].result(10)
    return {member.group_instance_id for member in described.members}


def test_one_that_is_killed_is_started_again_and_takes_its_place(
    kafka: Kafka, tmp_path: Path
) -> None:
    scene = Scene(kafka, tmp_path)
    with scene.workers(2, "--web-port", "0") as pool:
        until(lambda: probe(pool, "/ready")[0] == 200, what="readiness", every=0.2)
        first = events(pool, "worker started")[0]
        os.kill(first["pid"], signal.SIGKILL)
        died = json.loads(pool.line("worker has died"))
        assert (died["number"], died["cause"]) == (1, "ended by signal 9")
        until(lambda: len(events(pool, "worker started")) == 3, what="a third start")
        assert events(pool, "worker started")[2]["number"] == 1
        kafka.produce(scene.source, [{"n": n} for n in range(20)])
        kafka.read(scene.sink, 20)
        until(lambda: probe(pool, "/ready")[0] == 200, what="readiness", every=0.2)
        pool.interrupt()
        assert pool.ends() == ExitCode.OK, str(pool)


def test_a_static_member_that_is_back_in_time_moves_no_partition(
    kafka: Kafka, tmp_path: Path
) -> None:
    scene = Scene(kafka, tmp_path)
    with scene.workers(2, "--static-membership", "--slot", "a", "--web-port", "0") as pool:
        until(lambda: probe(pool, "/ready")[0] == 200, what="readiness", every=0.2)
        until(lambda: spread(pool) == {1: 1, 2: 1}, what="a partition for each")
        moved = len(events(pool, "partitions released"))
        os.kill(events(pool, "worker started")[0]["pid"], signal.SIGKILL)
        pool.line("worker has died")
        until(lambda: len(events(pool, "worker started")) == 3, what="a third start")
        kafka.produce(scene.source, [{"n": 0}], partition=0)
        kafka.produce(scene.source, [{"n": 1}], partition=1)
        kafka.read(scene.sink, 2)
        until(lambda: probe(pool, "/ready")[0] == 200, what="readiness", every=0.2)
        assert len(events(pool, "partitions released")) == moved, str(pool)
        pool.terminate()
        assert pool.ends() == ExitCode.OK, str(pool)


def spread(pool: Command) -> dict[int, int]:
    """Return how many partitions each worker has, by what they logged."""
    count: Counter[int] = Counter()
    for name, sign in (("assigned", 1), ("released", -1)):
        for line in events(pool, f"partitions {name}"):
            count[line["worker"]] += sign * len(line["partitions"])
    return {number: has for number, has in count.items() if has}


def test_one_that_dies_too_often_ends_all_with_the_first_cause(
    kafka: Kafka, tmp_path: Path
) -> None:
    scene = Scene(kafka, tmp_path, BROKEN)
    kafka.produce(scene.source, [{"n": 1}], partition=0)
    with scene.workers(2) as pool:
        assert pool.ends(100) == ExitCode.FAILED, str(pool)
    (last,) = events(pool, "worker has died too often")
    assert "KeyError: 'price'" in last["first_cause"]
    assert len(events(pool, "worker started")) <= 2 + 2 * 2


def test_what_no_restart_can_help_is_not_tried_again(kafka: Kafka, tmp_path: Path) -> None:
    scene = Scene(kafka, tmp_path, COPIES + "if 'SABOT_WORKER_NUMBER' in os.environ: sys.exit(1)\n")
    with scene.workers(2) as pool:
        assert pool.ends() == ExitCode.LOAD, str(pool)
    assert len(events(pool, "worker started")) == 2
    assert not events(pool, "worker has died and is started again")


def test_workers_at_the_end_of_their_sources_end_the_command(tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text(
        "import sys\nfrom sabot import Stream\n"
        "Stream.from_pylist([{'n': 1}]).for_each(lambda row: sys.stdout.write(f'{row}\\n'))\n"
    )
    with Command("worker", "rows.py", "--workers", "2", cwd=tmp_path) as pool:
        assert pool.ends() == ExitCode.OK, str(pool)
    # Rows in memory are each worker's own.
    assert pool.out == "{'n': 1}\n" * 2


def test_a_second_signal_ends_all_at_once(kafka: Kafka, tmp_path: Path) -> None:
    scene = Scene(kafka, tmp_path, HANGS)
    kafka.produce(scene.source, [{"n": 1}], partition=0)
    with scene.workers(2, "--drain-timeout", "3600") as pool:
        pool.line("in hand")
        pids = [line["pid"] for line in events(pool, "worker started")]
        pool.terminate()
        pool.line("stopping all workers")
        pool.terminate()
        assert pool.ends(10) == ExitCode.INTERRUPTED, str(pool)
    until(lambda: not any(map(is_alive, pids)), what="the end of the workers")


def test_workers_whose_parent_is_killed_drain_and_end(kafka: Kafka, tmp_path: Path) -> None:
    scene = Scene(kafka, tmp_path)
    with scene.workers(2) as pool:
        until(lambda: len(events(pool, "partitions assigned")) >= 2, what="both assigned")
        pids = [line["pid"] for line in events(pool, "worker started")]
        pool.kill()
        until(lambda: not any(map(is_alive, pids)), what="the end of the workers")
    assert "the parent is gone" in pool.err


def is_alive(pid: int) -> bool:
    """Whether a process runs that is not only waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_parent_hosts_the_embedded_broker_for_all(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import sys, sabot\n"
        "app = sabot.App('shop', broker='embedded://')\n"
        # In one write: print makes two, and another process may come between them.
        "def show(row):\n"
        "    sys.stdout.write(f'{row}\\n')\n"
        "app.stream('in', auto_offset_reset='earliest').for_each(show)\n"
        "@app.task\n"
        "def fill():\n"
        "    from sabot.kafka.admin import send\n"
        "    import os\n"
        "    if os.environ['SABOT_WORKER_NUMBER'] == '1':\n"
        "        for n in range(20):\n"
        "            send(app.broker, 'in', b'{\"n\": %d}' % n)\n"
    )
    # That all come says that there is one broker. Some may come twice: while a member
    # joins, that broker refuses the commit of those that give their partitions up.
    wanted = {f"{{'n': {n}}}" for n in range(20)}
    with Command("worker", "shop.py", "--workers", "2", cwd=tmp_path) as pool:
        until(lambda: set(pool.out.splitlines()) == wanted, what="all records")
        pool.terminate()
        assert pool.ends() == ExitCode.OK, str(pool)
