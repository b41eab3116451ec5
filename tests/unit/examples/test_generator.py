from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from examples.fraud.generator import Generator
from sabot.kafka.admin import end_offsets
from sabot.kafka.embedded import stop_embedded

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def fresh_broker() -> Iterator[None]:
    yield
    stop_embedded()


def test_it_writes_for_as_long_as_it_was_told() -> None:
    generator = Generator("embedded://", "in", ["out"], rate=1000, seconds=0.5)
    asyncio.run(generator.run())
    assert generator.done
    assert 300 < generator.written <= 600
    assert sum(end_offsets("embedded://", "in").values()) == generator.written


def test_it_waits_while_nothing_comes_out() -> None:
    generator = Generator("embedded://", "in", ["out"], rate=1000, most_ahead=500)

    async def run_until_it_waits() -> int:
        task = asyncio.create_task(generator.run())
        while not generator.waiting:
            assert not task.done()
            await asyncio.sleep(0.02)
        written = generator.written
        # Several turns of its loop, in which it would write again.
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return written

    assert asyncio.run(asyncio.wait_for(run_until_it_waits(), 20)) == generator.written
    assert generator.written < 5000
