from __future__ import annotations

import asyncio
import threading
import warnings
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from sabot.actors import Supervision
from sabot.api.stream import Stream
from sabot.app.app import App
from sabot.errors import ConfigurationError, PlanError, ProcessingError, TopicNotFoundError
from sabot.kafka.embedded import stop_embedded
from sabot.kafka.producer import KafkaProducer
from sabot.kafka.sink import KafkaSinkConfig, client_properties
from sabot.plan.nodes import AgentNode
from sabot.plan.outputs import collecting
from sabot.runtime.settings import WorkerSettings
from tests.loops import on_a_loop
from tests.until import until

SETTINGS = WorkerSettings(drain_timeout_seconds=10.0, tune_process=False)


def app_of(name: str = "shop", **options: Any) -> App:
    return App(name, broker="localhost:1", **options)


# --- defining ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_an_app_needs_an_id(name: Any) -> None:
    with collecting(), pytest.raises(ConfigurationError, match="id must be a text"):
        App(name)


def test_its_id_is_the_group_and_its_broker_the_broker() -> None:
    with collecting():
        app = app_of("billing")
        assert app.stream("orders").explain() == (
            "kafka 'orders' (json), group 'billing' at localhost:1"
        )
        other = app.stream("orders", group_id="audit", bootstrap_servers="elsewhere:1")
        assert other.explain() == "kafka 'orders' (json), group 'audit' at elsewhere:1"
    assert repr(app) == "App('billing', broker='localhost:1')"


def test_what_is_built_on_its_streams_is_its_own() -> None:
    with collecting():
        app = app_of()
        end = app.stream("orders").filter(lambda b: b["n"] > 1).for_each(print)
        Stream.from_kafka("localhost:1", "orders", "shop").for_each(print)
        assert list(app.outputs) == [end.output]


def test_a_union_with_one_of_its_streams_is_its_own() -> None:
    with collecting():
        app = app_of()
        bare = Stream.from_kafka("localhost:1", "clicks", "shop")
        end = bare.union(app.stream("orders")).for_each(print)
        assert list(app.outputs) == [end.output]


def test_another_app_of_the_same_id_has_outputs_of_its_own() -> None:
    with collecting():
        first, second = app_of(), app_of()
        a = first.stream("orders").for_each(print)
        b = second.stream("orders").for_each(print)
        assert list(second.outputs) == [b.output]
        assert list(first.outputs) == [a.output]


def test_a_bare_output_may_be_added_once() -> None:
    with collecting():
        app = app_of()
        end = Stream.from_pylist([{"n": 1}]).for_each(print)
        assert app.add(end) is end
        app.add(end)
        assert list(app.outputs) == [end.output]
        assert end.output.owner == "shop"


def test_an_output_of_another_app_cannot_be_added() -> None:
    with collecting():
        end = app_of("a").stream("orders").for_each(print)
        with pytest.raises(PlanError, match="belongs to app 'a' already"):
            app_of("b").add(end)


def test_explain_shows_all_of_it() -> None:
    with collecting():
        app = app_of()
        with pytest.warns(DeprecationWarning, match="one event at a time"):

            @app.agent("clicks", name="counter")
            async def count(stream: Any) -> None: ...

        app.stream("orders").for_each(print)
        text = app.explain()
    assert "agent:counter: count (test_app.py:" in text
    assert "one event at a time" in text
    assert "for_each-1: print" in text


# --- agents -----------------------------------------------------------------------------


def test_an_agent_is_left_as_it_is_and_is_an_output() -> None:
    with collecting(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = app_of()

        async def count(stream: Any) -> None: ...

        assert app.agent("clicks", batch_size=7)(count) is count
        (output,) = app.outputs
    assert isinstance(output.node, AgentNode)
    assert output.node.function is count
    assert (output.node.name, output.file) == ("agent:count", __file__)
    assert output.node.parent.source.batch_size == 7  # type: ignore[union-attr]


def test_an_agent_warns_once_at_its_own_line() -> None:
    with collecting(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        app = app_of()
        for _ in range(2):

            @app.agent("orders")
            async def bill(stream: Any) -> None: ...

    (warning,) = caught
    assert warning.category is DeprecationWarning
    assert (warning.filename, warning.lineno) == (__file__, bill.__code__.co_firstlineno)
    assert str(warning.message) == (
        "agent 'bill' handles one event at a time; the Stream API sees whole batches: "
        "app.stream('orders').map(...).to_kafka(...) (docs/migration.md)"
    )


def test_an_agent_must_be_a_coroutine_function() -> None:
    with collecting(), pytest.raises(PlanError, match="agent '_bill' must be written with 'async"):
        app_of().agent("orders")(_bill)


def _bill(stream: Any) -> None: ...


def test_an_agent_without_a_topic_is_refused() -> None:
    with collecting(), pytest.raises(ConfigurationError, match="needs a topic's name"):
        app_of().agent(_bill)  # type: ignore[arg-type]


# --- running without a broker -----------------------------------------------------------


def rows_to(app: App, into: list[Any], count: int = 3) -> None:
    app.add(Stream.from_pylist([{"n": n} for n in range(count)]).for_each(into.append))


def test_run_returns_when_the_sources_have_ended() -> None:
    rows: list[Any] = []
    with collecting():
        app = app_of(settings=SETTINGS)
        rows_to(app, rows)
        app.run()
    assert rows == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert app.statistics() is None


def test_run_raises_the_first_cause() -> None:
    with collecting():
        app = app_of(settings=SETTINGS)
        app.add(Stream.from_pylist([{"n": 1}]).for_each(lambda row: row["x"]))
        with pytest.raises(ProcessingError, match="KeyError: 'x'"):
            app.run()


@on_a_loop
async def test_run_inside_a_running_loop_says_what_to_do_instead() -> None:
    with collecting():
        app = app_of(settings=SETTINGS)
        rows_to(app, [])
        with pytest.raises(ConfigurationError) as caught:
            app.run()
    assert str(caught.value) == (
        "a worker cannot take over a thread whose event loop is running; use "
        "'await app.start()' and 'await app.stop()' instead"
    )


@on_a_loop
async def test_an_app_runs_once_at_a_time() -> None:
    with collecting():
        app = app_of(settings=SETTINGS)
        app.task(_bill_nobody)
        await app.start()
        with pytest.raises(PlanError, match="app 'shop' runs already"):
            await app.start()
        await app.stop()


def _bill_nobody() -> None: ...


@on_a_loop
async def test_a_task_runs_beside_on_the_hosts_loop_until_the_stop() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    with collecting():
        app = app_of(settings=SETTINGS)

        @app.task
        async def beat() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        assert list(app.tasks) == [beat]
        await app.start()
        await asyncio.wait_for(begun.wait(), 10)
        await app.stop()
        await asyncio.wait_for(ended.wait(), 10)


@on_a_loop
async def test_a_task_that_failed_is_raised_by_the_stop() -> None:
    with collecting():
        app = app_of(settings=SETTINGS)
        failed = threading.Event()

        @app.task
        def beat() -> None:
            failed.set()
            raise KeyError("lost")

        await app.start()
        worker = app._worker
        assert worker is not None
        assert await worker.wait() == 1
        with pytest.raises(KeyError):
            await app.stop()
        await app.stop()


# --- in a host, with the embedded broker ------------------------------------------------


def send(topic: str, values: list[bytes]) -> None:
    sink = KafkaSinkConfig.from_options("embedded://", topic)
    producer = KafkaProducer(client_properties(sink, "test"))
    parcel = producer.send(topic, values, [None] * len(values), [0] * len(values))
    assert producer.wait([parcel], 20)
    producer.close()


def hosted(topic: str, rows: list[Any]) -> App:
    with collecting():
        app = App(f"host-{topic}", broker="embedded://", settings=SETTINGS)
        options = {"auto_offset_reset": "earliest", "auto_commit_interval_ms": 200}
        app.add(app.stream(topic, **options).for_each(rows.append))
    return app


@pytest.mark.slow
@pytest.mark.parametrize("loops", [1, 2])
def test_in_a_host_it_starts_stops_and_starts_again(loops: int) -> None:
    rows: list[Any] = []
    app = hosted(f"again-{loops}", rows)

    async def once(value: int) -> None:
        send(f"again-{loops}", [b'{"n":%d}' % value])
        await app.start()
        try:
            await asyncio.to_thread(until, lambda: len(rows) == value, what=f"row {value}")
            statistics = app.statistics()
            assert statistics is not None
            assert statistics.state == "running"
            assert 0 <= statistics.mailbox_bytes <= statistics.mailbox_bytes_bound == 1 << 28
            (actor,) = app.actors()
            assert (actor.name, actor.kind, actor.restarts) == (f"again-{loops}", "pipeline", 0)
            assert actor.depth <= actor.depth_bound
            assert actor.last_error is None
            with pytest.raises(FrozenInstanceError):
                actor.depth = 1  # type: ignore[misc]
        finally:
            await app.stop()
        await app.stop()
        assert app.statistics() is None
        assert app.actors() == ()

    async def both() -> None:
        await once(1)
        await once(2)

    try:
        if loops == 1:
            asyncio.run(both())
        else:
            asyncio.run(once(1))
            asyncio.run(once(2))
    finally:
        stop_embedded()
    assert [row["n"] for row in rows] == [1, 2]


@on_a_loop
async def test_a_broker_that_is_not_there_is_raised_by_the_stop() -> None:
    with collecting():
        app = App("nobody", broker="localhost:1", settings=SETTINGS)
        app.add(app.stream("orders", connect_timeout_seconds=0.5).for_each(print))
        await app.start()
        worker = app._worker
        assert worker is not None
        assert await worker.wait() == 4
        with pytest.raises(ConnectionError, match="localhost:1"):
            await app.stop()
    assert not isinstance(worker.failure, TopicNotFoundError)


def test_a_supervision_of_the_app_is_part_of_its_settings() -> None:
    together = Supervision("restart", group="one_for_all")
    with collecting():
        app = App("billing", settings=WorkerSettings(mailbox_bytes=1_000), supervision=together)
    assert app.settings == WorkerSettings(mailbox_bytes=1_000, supervision=together)


@pytest.mark.parametrize(
    "wrong", [{"mailbox_bytes": 0}, {"blocked_loop_seconds": 0}, {"blocked_loop_seconds": -1.0}]
)
def test_settings_that_cannot_be_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        WorkerSettings(**wrong)
