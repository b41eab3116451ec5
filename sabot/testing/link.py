"""One proxied connection: a client's socket, a broker's, and the frames between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final

from sabot.testing.actions import ActionKind
from sabot.testing.channel import Channel
from sabot.testing.network import Direction, Gate, Network
from sabot.testing.requests import RequestHeader, read_header
from sabot.testing.rules import RequestLog

__all__ = ["Link"]

_MOST_BYTES: Final = 1 << 28
_LAST_ANSWERS_SECONDS: Final = 2.0
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Link:
    """Carries one client's connection until an end closes it or a fault does.

    A client that hangs up while a request of it is held does not end the link: the
    broker's side stays until the request is delivered.

    Args:
        upstream: The broker's host and port.
        network: The faults in force.
        log: Counts requests and says what to do with them.
        reader, writer: The client's connection.
    """

    def __init__(
        self,
        upstream: tuple[str, int],
        network: Network,
        log: RequestLog,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.held: list[Gate] = []
        self._upstream = upstream
        self._network = network
        self._log = log
        self._client = (reader, writer)
        self._writers = [writer]
        self._client_is_gone = False
        self._closed = asyncio.Event()
        self._lost_answers: dict[int, bool] = {}
        self._unanswered: set[int] = set()
        self._answered = asyncio.Event()

    @property
    def has_client(self) -> bool:
        """Whether its client is still connected."""
        return not (self._client_is_gone or self._closed.is_set())

    async def run(self) -> None:
        """Carry frames until the connection is over."""
        try:
            reader, writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            self._abort(*self._writers)
            return
        self._writers.append(writer)
        up = Channel(self._network, Direction.TO_BROKER, writer, wanted=self._is_wanted)
        down = Channel(self._network, Direction.TO_CLIENT, self._client[1])
        tasks = [
            asyncio.create_task(each)
            for each in (
                self._requests(up),
                self._deliver(up),
                self._answers(reader, down),
                self._hand_back(down),
                self._closed.wait(),
            )
        ]
        _, delivered, _, handed_back, closed = tasks
        try:
            await asyncio.wait({delivered, handed_back, closed}, return_when="FIRST_COMPLETED")
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _close(self) -> None:
        for each in self._writers:
            each.close()
        for each in self._writers:
            with contextlib.suppress(OSError):
                await each.wait_closed()

    def reset(self) -> None:
        """End both connections with RST, whatever is under way."""
        self._abort(*self._writers)
        self._closed.set()

    def cut(self) -> None:
        """End both connections; the broker's only after what is held was delivered."""
        if any(gate.outlives_client and not gate.released for gate in self.held):
            self._abort(self._client[1])
            self._client_is_gone = True
        else:
            self.reset()

    def release(self) -> None:
        """Let held requests go."""
        for gate in self.held:
            gate.released = True

    # --- client to broker -------------------------------------------------------------

    async def _requests(self, up: Channel) -> None:
        reader, _ = self._client
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (frame := await _read_frame(reader)) is not None:
                header = read_header(frame[4:])
                if header is None:
                    await up.put(frame)
                elif not await self._request(frame, header, up):
                    return
        self._client_is_gone = True
        await up.end()

    async def _request(self, frame: bytes, header: RequestHeader, up: Channel) -> bool:
        """Send a request on; return whether the connection goes on."""
        action = self._log.note(header)
        kind = None if action is None else action.kind
        if kind is ActionKind.DROP:
            return True
        if kind is ActionKind.DISCONNECT:
            self.reset()
            return False
        self._unanswered.add(header.correlation_id)
        if kind in (ActionKind.BLACKHOLE_RESPONSE, ActionKind.DISCONNECT_AFTER):
            self._lost_answers[header.correlation_id] = kind is ActionKind.DISCONNECT_AFTER
        gate = None
        if action is not None and kind in (ActionKind.HOLD, ActionKind.DELAY):
            gate = self._gate(action.seconds, outlives_client=kind is ActionKind.HOLD)
        await up.put(frame, gate)
        return True

    def _gate(self, seconds: float | None, *, outlives_client: bool) -> Gate:
        now = asyncio.get_running_loop().time()
        gate = Gate(None if seconds is None else now + seconds, outlives_client=outlives_client)
        self.held.append(gate)
        return gate

    def _is_wanted(self, gate: Gate) -> bool:
        self.held.remove(gate)
        return gate.outlives_client or not self._client_is_gone

    async def _deliver(self, up: Channel) -> None:
        """Deliver what the client said; then wait for what the broker says to it."""
        with contextlib.suppress(OSError):
            await up.run()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_ANSWERS_SECONDS):
                    while self._unanswered:
                        self._answered.clear()
                        await self._answered.wait()

    # --- broker to client -------------------------------------------------------------

    async def _answers(self, reader: asyncio.StreamReader, down: Channel) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (frame := await _read_frame(reader)) is not None:
                number = int.from_bytes(frame[4:8], signed=True)
                self._unanswered.discard(number)
                self._answered.set()
                hangs_up = self._lost_answers.pop(number, None)
                if hangs_up:
                    self.reset()
                    return
                if hangs_up is None:
                    await down.put(frame)
        await down.end()

    async def _hand_back(self, down: Channel) -> None:
        """Deliver what the broker said; to a client that has gone, nothing."""
        try:
            await down.run()
        except OSError:
            await self._closed.wait()

    def _abort(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            opened: socket.socket | None = writer.get_extra_info("socket")
            if opened is not None and opened.fileno() >= 0:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            writer.transport.abort()


async def _read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """Read a length and so many bytes; ``None`` at the end, or what is no frame as it is."""
    try:
        length = await reader.readexactly(4)
    except asyncio.IncompleteReadError as error:
        return error.partial or None
    size = int.from_bytes(length, signed=True)
    if not 0 <= size <= _MOST_BYTES:
        # Not the protocol (TLS, say): carried all the same, in the order it comes.
        return length + await reader.read(1 << 16)
    return length + await reader.readexactly(size)
