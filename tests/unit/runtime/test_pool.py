from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sabot.actors import Backoff, RestartLimit
from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.pool import WorkerPool
from sabot.runtime.settings import WorkerSettings
from tests.until import until

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="there are no such processes"),
    pytest.mark.slow,
]

QUICK = WorkerSettings(
    drain_timeout_seconds=1,
    restart_backoff=Backoff(min_seconds=0, max_seconds=0, jitter=0),
    restart_limit=RestartLimit(count=2, window_seconds=60),
)

REPORTS = """
import os, sys, time, signal, threading
from sabot.runtime.condition import Condition
from sabot.runtime.parent import ParentLink, Report, take_descriptor

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
number = os.environ["SABOT_WORKER_NUMBER"]
well = Condition.of([])
link = ParentLink(
    take_descriptor(),
    lambda: Report(well, Condition.of([] if number == "1" else ["restoring"]), {"n": number}),
    stopping.set,
).start()
while not stopping.wait(0.05):
    pass
link.close()
"""


def pool_of(*programs: str, settings: WorkerSettings = QUICK) -> WorkerPool:
    """Return a pool whose workers run a program each."""
    return WorkerPool(
        lambda number: [sys.executable, "-c", programs[number - 1]],
        len(programs),
        settings=settings,
    )


@contextmanager
def watched(pool: WorkerPool, check: Callable[[], object]) -> Iterator[None]:
    """Run a check on a thread while the pool has the main one; it stops the pool."""

    def run() -> None:
        try:
            check()
        finally:
            pool.request_stop("the test is done with it")

    with ThreadPoolExecutor(1) as threads:
        outcome = threads.submit(run)
        yield
        outcome.result()


def test_workers_that_have_nothing_left_to_do_end_it() -> None:
    assert pool_of("", "").run() == ExitCode.OK


def test_one_that_dies_is_started_again_until_it_is_too_often(tmp_path: Path) -> None:
    # The first cause decides, not what came of it.
    program = (
        "import pathlib, sys; seen = pathlib.Path('seen'); lines = seen.exists(); "
        "seen.open('a').write('started\\n'); sys.exit(1 if lines else 4)"
    ).replace("'seen'", repr(str(tmp_path / "seen")))
    assert pool_of(program).run() == ExitCode.BROKER
    assert (tmp_path / "seen").read_text().count("started") == 3


def test_a_signal_is_no_exit_code() -> None:
    assert pool_of("import os; os.kill(os.getpid(), 9)").run() == ExitCode.FAILED


@pytest.mark.parametrize("code", [ExitCode.USAGE, ExitCode.LOAD])
def test_what_no_restart_can_help_ends_all(code: ExitCode) -> None:
    assert pool_of(f"raise SystemExit({int(code)})", REPORTS).run() == code


def test_it_tells_how_all_of_them_are() -> None:
    pool = pool_of(REPORTS, REPORTS)

    def check() -> None:
        until(lambda: "worker 2: restoring" in pool.readiness().reasons, what="a report")
        until(lambda: pool.readiness().reasons == ("worker 2: restoring",), what="both reports")
        assert pool.health().ok
        shown = pool.statistics()["workers"]
        assert isinstance(shown, dict)
        assert {key: value["statistics"] for key, value in shown.items()} == {
            "1": {"n": "1"},
            "2": {"n": "2"},
        }

    with watched(pool, check):
        assert pool.run() == ExitCode.OK
    assert pool.readiness().reasons == ("stopped",)


def test_one_that_does_not_stop_in_time_is_killed() -> None:
    deaf = REPORTS.replace("lambda *_: stopping.set()", "signal.SIG_IGN")
    pool = pool_of(deaf, settings=WorkerSettings(drain_timeout_seconds=0))
    with watched(pool, lambda: until(lambda: pool.readiness().ok, what="a worker")):
        assert pool.run() == ExitCode.DRAIN
