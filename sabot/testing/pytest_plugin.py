"""Fixtures for tests of programs that use Sabot; pytest finds them where Sabot is installed.

Each is a function that makes as many as a test wants and ends them after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from sabot.testing.driver import Driver, Target
    from sabot.testing.processes import WorkerProcess
    from sabot.testing.proxy import FaultProxy

__all__ = [
    "FaultWorker",
    "KafkaProxy",
    "SabotDriver",
    "fault_worker",
    "kafka_proxy",
    "sabot_driver",
]


class SabotDriver(Protocol):
    """The type of the fixture `sabot_driver`."""

    def __call__(self, target: Target, **options: Any) -> Driver:
        """Return a running driver; takes what `sabot.testing.drive` takes."""
        ...


class KafkaProxy(Protocol):
    """The type of the fixture `kafka_proxy`."""

    def __call__(self, upstream: str, port: int = 0) -> FaultProxy:
        """Return a running proxy; takes what `sabot.testing.FaultProxy` takes."""
        ...


class FaultWorker(Protocol):
    """The type of the fixture `fault_worker`."""

    def __call__(self, *arguments: str, cwd: str | Path | None = None) -> WorkerProcess:
        """Run ``sabot`` with these arguments, such as ``"worker", "shop:app"``."""
        ...


@pytest.fixture
def sabot_driver() -> Iterator[SabotDriver]:
    """Drive an app or a stream in the test's process, without a broker."""
    from sabot.testing.driver import drive

    with ExitStack() as stack:

        def start(target: Target, **options: Any) -> Driver:
            return stack.enter_context(drive(target, **options))

        yield start


@pytest.fixture
def kafka_proxy() -> Iterator[KafkaProxy]:
    """Put a proxy that fails on command before a broker."""
    from sabot.testing.proxy import FaultProxy

    with ExitStack() as stack:

        def start(upstream: str, port: int = 0) -> FaultProxy:
            return stack.enter_context(FaultProxy(upstream, port))

        yield start


@pytest.fixture
def fault_worker() -> Iterator[FaultWorker]:
    """Run ``sabot`` in processes that can be killed and frozen; all end with the test."""
    from sabot.testing.processes import WorkerProcess

    with ExitStack() as stack:

        def start(*arguments: str, cwd: str | Path | None = None) -> WorkerProcess:
            return stack.enter_context(WorkerProcess.sabot(*arguments, cwd=cwd))

        yield start
