"""Coroutine tests run on a loop of their own; a cluster that refuses topics."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from tests.broker import Kafka
from tests.conftest import own_broker


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function; leave others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture
def cluster_that_creates_no_topics() -> Iterator[Kafka]:
    """A broker of its own that refuses topics with the default replication; takes 4 s."""
    with own_broker({"default.replication.factor": "3"}) as broker:
        yield broker
