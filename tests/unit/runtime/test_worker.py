from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sabot.api.stream import Stream
from sabot.errors import (
    BrokerUnavailableError,
    ConfigurationError,
    DeliveryError,
    FunctionResultError,
    PlanError,
    ProcessingError,
    RestartLimitError,
    TopicNotFoundError,
)
from sabot.plan.outputs import Output, collecting
from sabot.runtime.exit_codes import ExitCode, exit_code
from sabot.runtime.run_outputs import run_outputs
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.worker import Worker
from tests.loops import on_a_loop

SETTINGS = WorkerSettings(drain_timeout_seconds=5.0, tune_process=False)


def into(rows: list[Any], values: list[dict[str, Any]]) -> Output:
    with collecting():
        return Stream.from_pylist(values).for_each(rows.append).output


def worker(*outputs: Output, tasks: Any = ()) -> Worker:
    return Worker(outputs, name="test", tasks=tasks, settings=SETTINGS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(3), 3),
        (SystemExit("text"), ExitCode.FAILED),
        (ProcessingError("x", step="s"), ExitCode.FAILED),
        (FunctionResultError("x", step="s"), ExitCode.FAILED),
        (RestartLimitError("x"), ExitCode.FAILED),
        (TopicNotFoundError("x"), ExitCode.BROKER),
        (BrokerUnavailableError("x"), ExitCode.BROKER),
        (DeliveryError("x"), ExitCode.BROKER),
        (ConfigurationError("x"), ExitCode.USAGE),
        (PlanError("x"), ExitCode.USAGE),
        (ValueError("x"), ExitCode.FAILED),
    ],
)
def test_an_exit_code_says_what_kind_of_end_it_was(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_exit_codes_are_what_the_manual_says() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "LOAD": 3,
        "BROKER": 4,
        "DRAIN": 5,
        "INTERRUPTED": 130,
    }


def test_a_worker_ends_with_its_sources() -> None:
    rows: list[Any] = []
    output = into(rows, [{"n": n} for n in range(10)])
    made = worker(output)
    assert made.run() == 0
    assert rows == [{"n": n} for n in range(10)]
    assert output.started
    assert made.statistics().state == "stopped"


def test_outputs_that_share_nothing_run_side_by_side() -> None:
    a: list[Any] = []
    b: list[Any] = []
    assert worker(into(a, [{"n": 1}]), into(b, [{"n": 2}])).run() == 0
    assert (a, b) == ([{"n": 1}], [{"n": 2}])


def test_an_error_of_a_step_ends_the_worker_and_is_kept() -> None:
    with collecting():
        end = Stream.from_pylist([{"n": 1}]).map(lambda b: 1 / 0).for_each(print)
    made = worker(end.output)
    assert made.run() == ExitCode.FAILED
    assert isinstance(made.failure, ProcessingError)
    assert isinstance(made.failure.__cause__, ZeroDivisionError)


def test_nothing_to_run_is_said_at_once() -> None:
    with pytest.raises(PlanError, match="no output was defined"):
        worker()


def test_a_task_that_raises_ends_the_worker() -> None:
    def task() -> None:
        raise KeyError("lost")

    made = worker(tasks=[task])
    assert made.run() == ExitCode.FAILED
    assert isinstance(made.failure, KeyError)


@on_a_loop
async def test_inside_a_running_loop_it_says_what_to_do_instead() -> None:
    with pytest.raises(ConfigurationError, match=r"await app\.start\(\)"):
        worker(into([], [{"n": 1}])).run()


@on_a_loop
async def test_in_a_hosts_loop_it_starts_and_ends() -> None:
    rows: list[Any] = []
    made = worker(into(rows, [{"n": 1}]))
    await made.start()
    assert await made.wait() == 0
    assert rows == [{"n": 1}]
    with pytest.raises(PlanError, match="make a new one"):
        await made.start()


@on_a_loop
async def test_stopping_what_was_never_started_is_fine() -> None:
    assert await worker(into([], [{"n": 1}])).stop() == 0


@on_a_loop
async def test_stopping_twice_is_fine() -> None:
    made = worker(tasks=[lambda: None])
    await made.start()
    assert await made.stop() == 0
    assert await made.stop() == 0


def test_a_worker_may_run_on_any_thread() -> None:
    rows: list[Any] = []
    codes: list[int] = []
    made = worker(into(rows, [{"n": 1}]))
    thread = threading.Thread(target=lambda: codes.append(made.run()))
    thread.start()
    thread.join(20)
    assert (codes, rows) == ([0], [{"n": 1}])


def test_running_one_output_leaves_those_that_read_elsewhere_alone() -> None:
    a: list[Any] = []
    b: list[Any] = []
    one, other = into(a, [{"n": 1}]), into(b, [{"n": 2}])
    run_outputs([one], siblings=[one, other])
    assert (a, b, other.started) == ([{"n": 1}], [], False)


def test_a_failed_run_raises_its_first_cause(tmp_path: Path) -> None:
    with collecting():
        end = Stream.from_pylist([{"n": 1}]).for_each(lambda row: row["missing"])
    with pytest.raises(ProcessingError, match="KeyError: 'missing'"):
        run_outputs([end.output])
