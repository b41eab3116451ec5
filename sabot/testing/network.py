"""How the network between clients and broker is at present: what bytes have to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable

__all__ = ["Direction", "Gate", "Network"]


class Direction(enum.Enum):
    """Which way bytes go."""

    TO_BROKER = "to_broker"
    TO_CLIENT = "to_client"


class Gate:
    """Keeps one request until its time has come or it is released.

    Args:
        opens_at: Seconds of the event loop's clock; ``None`` for never by itself.
        outlives_client: Whether the request is delivered though its client has gone.
    """

    __slots__ = ("opens_at", "outlives_client", "released")

    def __init__(self, opens_at: float | None, *, outlives_client: bool) -> None:
        self.opens_at = opens_at
        self.outlives_client = outlives_client
        self.released = False


class Network:
    """The faults in force; used on the proxy's event loop only."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.rate: float | None = None
        self.blackholed: frozenset[Direction] = frozenset()
        self._changed = asyncio.Event()

    def change(
        self,
        *,
        latency: float | None = None,
        rate: float | None = None,
        blackholed: frozenset[Direction] | None = None,
    ) -> None:
        """Put faults in force; what is not given stays."""
        self.latency = self.latency if latency is None else latency
        self.rate = self.rate if rate is None else rate
        self.blackholed = self.blackholed if blackholed is None else blackholed
        self.announce()

    def heal(self) -> None:
        """Let everything pass."""
        self.latency, self.rate, self.blackholed = 0.0, None, frozenset()
        self.announce()

    def announce(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def passable(self, direction: Direction) -> None:
        """Wait while nothing gets through that way."""
        await self._wait(lambda: None if direction in self.blackholed else 0.0)

    async def travelled(self, since: float) -> None:
        """Wait until bytes that set out at ``since`` have been under way long enough."""
        await self._wait(lambda: since + self.latency)

    async def opened(self, gate: Gate) -> None:
        """Wait until a gate opens."""
        await self._wait(lambda: 0.0 if gate.released else gate.opens_at)

    async def dripped(self, size: int) -> None:
        """Wait as long as so many bytes take."""
        since = asyncio.get_running_loop().time()
        await self._wait(lambda: 0.0 if self.rate is None else since + size / self.rate)

    async def _wait(self, due: Callable[[], float | None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at = due()
            if at is not None and at <= loop.time():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await self._changed.wait()
