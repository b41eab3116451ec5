"""An app that was defined at import runs in whoever's loop: row 16 of the reliability list."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from sabot.app.app import App
from sabot.plan.outputs import collecting
from tests.broker import Kafka
from tests.until import until
from tests.workers import FAST, quick

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:agent:DeprecationWarning")]

COUNT = 1_000


class Post:
    """An app as a module defines it: before any loop there is."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.group = kafka.unique("g")
        self.source, self.sink = (kafka.create_topic(kafka.unique(n), 2) for n in ("in", "out"))
        self.seen: list[int] = []
        with collecting():
            self.app = App(self.group, kafka.bootstrap, settings=quick())
            self.app.stream(self.source, **FAST).to_kafka(kafka.bootstrap, self.sink)

            @self.app.agent(self.source, name="reader", **FAST)
            async def reader(stream: Any) -> None:
                async for event in stream:
                    self.seen.append(event["n"])
                    await asyncio.sleep(0)  # on the loop that runs it

        kafka.produce(self.source, [{"n": n} for n in range(COUNT)])

    def all_through(self) -> bool:
        statistics = self.app.statistics()
        assert statistics is not None
        sent = sum(sum(each.records_out.values()) for each in statistics.pipelines)
        return len(self.seen) == COUNT and sent == COUNT

    async def passes(self) -> None:
        """Wait until everything has come by, without blocking the loop."""
        await asyncio.to_thread(until, self.all_through, what="all messages")

    def check(self) -> None:
        assert sorted(self.seen) == list(range(COUNT))
        assert sorted(row["n"] for row in self.kafka.values(self.sink)) == list(range(COUNT))
        assert sum(self.kafka.committed(self.group, self.source).values()) == COUNT
        assert self.app.statistics() is None


@pytest.fixture
def post(kafka: Kafka) -> Post:
    return Post(kafka)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop as test plugins make them: it runs for a call at a time."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


def test_under_asyncio_run(post: Post) -> None:
    async def main() -> None:
        await post.app.start()
        await post.passes()
        await post.app.stop()

    asyncio.run(main())
    post.check()


def test_in_a_loop_that_runs_for_one_call_at_a_time(
    post: Post, loop: asyncio.AbstractEventLoop
) -> None:
    loop.run_until_complete(post.app.start())
    loop.run_until_complete(post.passes())
    loop.run_until_complete(post.app.stop())
    post.check()


def test_twice_in_two_loops(post: Post) -> None:
    async def once() -> None:
        await post.app.start()
        await post.passes()
        await post.app.stop()

    asyncio.run(once())
    post.check()
    post.seen.clear()
    post.kafka.produce(post.source, [{"n": n} for n in range(COUNT)])
    asyncio.run(once())
    assert sorted(post.seen) == list(range(COUNT))


def test_in_the_lifespan_of_an_asgi_server(post: Post) -> None:
    uvicorn = pytest.importorskip("uvicorn")

    async def application(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await post.app.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await post.app.stop()
        await send({"type": "lifespan.shutdown.complete"})

    config = uvicorn.Config(application, port=0, lifespan="on", log_level="error")
    server = uvicorn.Server(config)
    host = threading.Thread(target=server.run, name="host")
    host.start()
    try:
        until(lambda: server.started, what="a server")
        until(post.all_through, what="all messages")
    finally:
        server.should_exit = True
        host.join(60)
    assert not host.is_alive()
    post.check()
