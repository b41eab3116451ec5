"""Where scenarios run: a broker with a proxy before it, and how much is to be done."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from sabot.testing import FaultProxy
from scripts import kafka as kafka_script
from tests.broker import Kafka
from tests.conftest import own_broker_process

__all__ = ["Lab", "MortalBroker", "guarded"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lab:
    """A place for scenarios.

    Attributes:
        kafka: The broker that they share.
        seed: Chooses whatever is left to chance.
        long: Whether to take the time it takes, or as little as shows something.
        minutes: How long the soak idles, and then works.
        quick: Whether there is time for the first of several variants only.
    """

    kafka: Kafka
    seed: int
    long: bool = False
    minutes: float = 0.5
    quick: bool = False

    def scaled(self, short: T, long: T) -> T:
        """Return one of two amounts."""
        return long if self.long else short

    def variants(self, all_of_them: Sequence[T]) -> Sequence[T]:
        """Return those there is time for."""
        return all_of_them[:1] if self.quick else all_of_them

    def chance(self, scenario: str) -> random.Random:
        """Return what a scenario draws from: the same again for the same seed."""
        return random.Random(f"{self.seed}/{scenario}")

    @contextlib.contextmanager
    def proxy(self) -> Iterator[FaultProxy]:
        """Have a proxy before the shared broker for the length of a block."""
        assert self.kafka.behind_proxy is not None
        with FaultProxy(self.kafka.behind_proxy, self.kafka.proxied_port) as proxy:
            yield proxy


class MortalBroker:
    """A broker for one scenario, which may be killed and started again with its data.

    Use it in a ``with`` block.

    Attributes:
        kafka: Its clients.
    """

    kafka: Kafka

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._guards = contextlib.ExitStack()

    def __enter__(self) -> Self:
        broker, self.kafka = self._stack.enter_context(own_broker_process())
        self._pid, self._folder = broker.pid, broker.folder
        self._next: subprocess.Popen[bytes] | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._next is not None:
            kafka_script.end(self._next)
        self._guards.close()
        self._stack.close()

    def kill(self) -> None:
        """End it without a warning."""
        if self._next is None:
            os.kill(self._pid, signal.SIGKILL)
        else:
            kafka_script.end(self._next)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._next is None:
            os.kill(self._pid, signal.SIGTERM)
            while Path(f"/proc/{self._pid}").exists() and not _is_zombie(self._pid):
                signal.sigtimedwait([], 0.05)
        else:
            self._next.terminate()
            self._next.wait(60)

    def start(self) -> None:
        """Start it again on the same ports, with the data it has, and wait until it serves."""
        settings = self._folder / "server.properties"
        self._next = kafka_script.launch(kafka_script.fetch(), settings)
        self._guards.enter_context(guarded(self._next.pid))
        kafka_script.wait_ready(self._next, self._folder / "broker.log", 60)


@contextlib.contextmanager
def guarded(pid: int) -> Iterator[None]:
    """See that a process ends with this one, however this one ends."""
    command = [sys.executable, "-S", "-c", _GUARD, str(pid)]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        guard.communicate()


_GUARD = """
import os, signal, sys
sys.stdin.buffer.read()
try:
    os.kill(int(sys.argv[1]), signal.SIGKILL)
except ProcessLookupError:
    pass
"""


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
