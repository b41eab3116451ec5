from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sabot.actors import Backoff, RestartLimit, Supervision
from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.errors import ActorStoppedError, MailboxFullError, PlanError, RestartLimitError
from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode
from sabot.runtime.settings import WorkerSettings
from tests.loops import on_a_loop

SETTINGS = WorkerSettings(drain_timeout_seconds=5.0, tune_process=False)


@pytest.fixture
def app() -> App:
    with collecting():
        return App("billing", "localhost:1", settings=SETTINGS)


def run(app: App, count: int, function: Any) -> tuple[int, BaseException | None]:
    """Run the app with a stream of so many rows, each given to a function."""
    with collecting():
        app.add(Stream.from_pylist([{"n": n} for n in range(count)]).for_each(function))
    worker = app.worker()
    app.hosted_by(worker)
    return worker.run(), worker.failure


def test_a_step_tells_and_asks_and_the_order_is_kept(app: App) -> None:
    held: list[int] = []

    @app.actor
    def ledger(message: Any) -> Any:
        if message == "sum":
            return sum(held)
        held.append(message)
        return None

    sums: list[int] = []

    def step(row: dict[str, Any]) -> None:
        ledger.tell(row["n"])
        sums.append(ledger.ask("sum", timeout=10))

    assert run(app, 4, step) == (0, None)
    assert sums == [0, 1, 3, 6]


def test_what_was_told_before_the_end_is_worked_off(app: App) -> None:
    held: list[int] = []

    @app.actor(name="slow")
    def slowly(message: int) -> None:
        held.append(message)

    run(app, 50, lambda row: slowly.tell(row["n"]))
    assert held == list(range(50))


def test_an_async_function_runs_on_the_loop_and_is_awaited_there(app: App) -> None:
    threads: list[threading.Thread] = []

    @app.actor
    async def clerk(message: int) -> int:
        threads.append(threading.current_thread())
        await asyncio.sleep(0)
        return message * 2

    answers: list[int] = []

    @app.task
    async def asks() -> None:
        threads.append(threading.current_thread())
        answers.append(await clerk.ask_async(21, timeout=10))
        raise EOFError

    # A task alone, since a worker ends with its sources.
    worker = app.worker()
    assert worker.run() == ExitCode.FAILED
    assert isinstance(worker.failure, EOFError)
    assert answers == [42]
    assert threads[0] is threads[1]


def test_an_error_goes_to_whoever_asked_and_is_no_failure_of_the_actor(app: App) -> None:
    @app.actor
    def broken(message: int) -> None:
        raise KeyError(message)

    caught: list[KeyError] = []

    def step(row: dict[str, Any]) -> None:
        try:
            broken.ask(row["n"], timeout=10)
        except KeyError as error:
            caught.append(error)

    assert run(app, 2, step) == (0, None)
    assert [error.args for error in caught] == [(0,), (1,)]


def test_an_actor_that_always_fails_ends_the_worker_with_the_first_cause(app: App) -> None:
    many = Supervision("restart", Backoff(0, 0), RestartLimit(2))

    @app.actor(supervision=many)
    def broken(message: int) -> None:
        raise KeyError("no such item")

    ended = threading.Event()

    @app.task
    def tells() -> None:
        broken.tell(1)
        ended.wait(20)

    worker = app.worker()
    code = worker.run()
    ended.set()
    assert code == ExitCode.FAILED
    assert isinstance(worker.failure, RestartLimitError)
    assert "no such item" in str(worker.failure)


def test_an_actor_that_resumes_gives_its_message_up(app: App) -> None:
    held: list[int] = []

    @app.actor(supervision=Supervision("resume"))
    def picky(message: int) -> None:
        if message == 1:
            raise ValueError("not one")
        held.append(message)

    assert run(app, 3, lambda row: picky.tell(row["n"])) == (0, None)
    assert held == [0, 2]


def test_an_actor_that_stops_shows_in_the_exit_code(app: App) -> None:
    @app.actor(supervision=Supervision("stop"))
    def fragile(message: int) -> None:
        raise ValueError("broken")

    refused = threading.Event()

    def step(row: dict[str, Any]) -> None:
        if row["n"] == 0:
            fragile.tell(0)
        while not refused.is_set():
            try:
                fragile.tell(1)
            except ActorStoppedError:
                refused.set()

    code, failure = run(app, 3, step)
    assert code == ExitCode.FAILED
    assert isinstance(failure, ValueError)


def test_without_a_worker_nobody_is_there(app: App) -> None:
    @app.actor
    def idle(message: int) -> None:
        return

    with pytest.raises(ActorStoppedError, match="no worker hosts it"):
        idle.tell(1)


@on_a_loop
async def test_to_ask_in_a_coroutine_says_what_to_write() -> None:
    with collecting():
        app = App("billing", "localhost:1")

    @app.actor
    def clerk(message: int) -> None:
        return

    with pytest.raises(PlanError, match=r"await clerk\.ask_async"):
        clerk.ask(1)


def test_a_full_mailbox_refuses_and_an_answer_can_be_late(app: App) -> None:
    opened, entered = threading.Event(), threading.Event()

    @app.actor(capacity=1)
    def slow(message: str) -> None:
        entered.set()
        opened.wait(20)

    def step(row: dict[str, Any]) -> None:
        slow.tell("in hand")
        assert entered.wait(10)
        with pytest.raises(TimeoutError, match="did not answer within"):
            slow.ask("waits", timeout=0.05)
        with pytest.raises(MailboxFullError):
            slow.tell("too many", timeout=0.05)
        (seen,) = [each for each in app.actors() if each.name == "slow"]
        assert (seen.kind, seen.depth, seen.depth_bound) == ("actor", 1, 1)
        assert seen.in_hand_seconds is not None
        opened.set()

    assert run(app, 1, step) == (0, None)


def test_names_are_unique(app: App) -> None:
    app.actor(print, name="one")
    with pytest.raises(PlanError, match="has an actor 'one' already"):
        app.actor(print, name="one")
