"""One direction of one proxied connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sabot.testing.network import Direction, Gate, Network

__all__ = ["Channel"]

_WAITING_FRAMES: Final = 256
_DRIPS_A_SECOND: Final = 20


class Channel:
    """Carries frames one way, in order, as fast as the network lets it.

    Frames that wait are bounded, so that a sender is slowed down as by a real network.

    Args:
        network: The faults in force.
        direction: Which way.
        writer: The far end.
        wanted: Whether a frame behind this gate is still to be delivered.
    """

    def __init__(
        self,
        network: Network,
        direction: Direction,
        writer: asyncio.StreamWriter,
        *,
        wanted: Callable[[Gate], bool] = lambda _: True,
    ) -> None:
        self._network = network
        self._direction = direction
        self._writer = writer
        self._wanted = wanted
        self._frames: asyncio.Queue[tuple[float, bytes, Gate | None] | None] = asyncio.Queue(
            _WAITING_FRAMES
        )

    async def put(self, frame: bytes, gate: Gate | None = None) -> None:
        """Send a frame on its way; waits where too many are."""
        now = asyncio.get_running_loop().time()
        await self._frames.put((now, frame, gate))

    async def end(self) -> None:
        """Say that no more frames come."""
        await self._frames.put(None)

    async def run(self) -> None:
        """Deliver frames until `end`.

        Raises:
            ConnectionError: If the far end has gone.
        """
        while (waiting := await self._frames.get()) is not None:
            since, frame, gate = waiting
            if gate is not None:
                await self._network.opened(gate)
                if not self._wanted(gate):
                    continue
            await self._network.travelled(since)
            await self._deliver(frame)

    async def _deliver(self, frame: bytes) -> None:
        sent = 0
        while sent < len(frame):
            await self._network.passable(self._direction)
            piece = frame[sent : sent + self._piece(len(frame))]
            self._writer.write(piece)
            await self._writer.drain()
            sent += len(piece)
            await self._network.dripped(len(piece))

    def _piece(self, whole: int) -> int:
        rate = self._network.rate
        return whole if rate is None else max(1, int(rate / _DRIPS_A_SECOND))
