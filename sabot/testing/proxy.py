"""A TCP proxy before a broker that fails on command."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sabot.errors import ConfigurationError
from sabot.testing.actions import Action
from sabot.testing.link import Link
from sabot.testing.network import Direction, Network
from sabot.testing.rules import RequestLog, Rule

__all__ = ["FaultProxy"]

_BACKLOG: Final = 100
_CONTROL_SECONDS: Final = 15.0
_HOST: Final = "127.0.0.1"

T = TypeVar("T")


class FaultProxy:
    """Stands between clients and one broker; leaving the block ends it.

    Every method may be called from any thread and has taken effect when it returns.

    A broker tells its clients where to reach it, so it must have a listener that it
    advertises with this proxy's port; else clients leave the proxy after their first
    answer. ``docs/testing.md`` has the two lines of broker settings.

    Args:
        upstream: ``"host:port"`` where the broker listens for the proxy.
        port: The port to listen on, at 127.0.0.1; 0 takes a free one.

    Example:
        >>> from sabot.testing import hold
        >>> with FaultProxy("127.0.0.1:9092") as proxy:
        ...     rule = proxy.on("EndTxn", hold(5.0))
        ...     proxy.seen("EndTxn"), rule.fired, proxy.connections
        (0, 0, 0)
    """

    def __init__(self, upstream: str, port: int = 0) -> None:
        host, _, number = upstream.rpartition(":")
        if not host or not number.isdecimal():
            raise ConfigurationError(f"upstream must be 'host:port'; got {upstream!r}")
        self._upstream = (host.strip("[]"), int(number))
        self._log = RequestLog()
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._listener: socket.socket | None = None
        self._network: Network | None = None
        self._turn = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sabot-proxy", daemon=True)
        # Bound for as long as the proxy lives, and never listening: while the listener is
        # closed clients are refused, and nobody else can take the port.
        self._held = _bound(port)
        self.port: int = self._held.getsockname()[1]

    @property
    def bootstrap(self) -> str:
        """Where clients connect to."""
        return f"{_HOST}:{self.port}"

    # --- all traffic ------------------------------------------------------------------

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        self._do(self._cut)

    def reset(self) -> None:
        """End all connections with RST; new ones are welcome."""
        self._do(self._reset)

    def blackhole(self, direction: str = "both") -> None:
        """Let nothing through; connections stay open, and what was sent arrives at `heal`.

        That is what a lost route looks like: the sender's machine goes on trying. What a
        client that has given up had sent before is delivered late, too.

        Args:
            direction: ``"to_broker"``, ``"to_client"`` or ``"both"``.
        """
        if direction == "both":
            ways = frozenset(Direction)
        elif direction in {each.value for each in Direction}:
            ways = frozenset({Direction(direction)})
        else:
            raise ConfigurationError(
                f"direction is 'to_broker', 'to_client' or 'both'; got {direction!r}"
            )
        self._do(lambda: self._net.change(blackholed=self._net.blackholed | ways))

    def latency(self, seconds: float) -> None:
        """Let all bytes travel so long, each way."""
        _check(seconds >= 0, f"latency is 0 seconds or more; got {seconds!r}")
        self._do(lambda: self._net.change(latency=seconds))

    def slow(self, bytes_per_second: float) -> None:
        """Let no more than this through, for each connection and way."""
        _check(bytes_per_second > 0, f"slow takes more than 0 bytes/s; got {bytes_per_second!r}")
        self._do(lambda: self._net.change(rate=bytes_per_second))

    def heal(self) -> None:
        """End all faults and forget all rules; what was held back is delivered."""
        self._log.clear()
        self._do(self._heal)

    # --- single requests --------------------------------------------------------------

    def on(
        self,
        api: str,
        action: Action,
        *,
        nth: int = 1,
        times: int | None = 1,
        client: str | None = None,
    ) -> Rule:
        """Act on requests of one type, until `heal`.

        Args:
            api: The type by the protocol's name, such as ``"EndTxn"``.
            action: `hold`, `delay`, `drop`, `disconnect`, `disconnect_after` or
                `blackhole_response`.
            nth: The first one acted on, counted from now; 1 is the next.
            times: How many are acted on; ``None`` for all from then on.
            client: Only those of clients whose ``client.id`` contains this.

        Returns:
            The rule, which tells how often it has acted and can wait for it.

        Raises:
            ConfigurationError: If there is no such request.
        """
        return self._log.add(Rule(api, action, nth=nth, times=times, client=client))

    def release(self) -> None:
        """Deliver the requests that are held."""
        self._do(self._release)

    @property
    def held(self) -> int:
        """How many requests are held."""
        return self._do(lambda: sum(len(link.held) for link in self._links))

    @property
    def requests(self) -> Mapping[str, int]:
        """How many requests clients have sent, by type, since the start."""
        return self._log.counts

    def seen(self, api: str) -> int:
        """Return how many requests of one type clients have sent."""
        return self._log.counts.get(api, 0)

    def wait_seen(self, api: str, count: int, timeout: float = 30.0) -> None:
        """Return once clients have sent ``count`` requests of one type in all.

        Raises:
            AssertionError: When time runs out.
        """
        self._log.wait(api, count, timeout)

    @property
    def connections(self) -> int:
        """How many clients' connections there are."""
        return self._do(lambda: sum(link.has_client for link in self._links))

    # --- life -------------------------------------------------------------------------

    def start(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        self._do_async(self._begin)
        return self

    def close(self) -> None:
        """End all connections and the proxy's thread; a second time does nothing.

        Raises:
            Exception: What went wrong inside the proxy, if anything did.
        """
        if self._thread.is_alive():
            self._do_async(self._end)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CONTROL_SECONDS)
        if not self._loop.is_closed():
            self._loop.close()
        self._held.close()
        if self._failures:
            raise self._failures.pop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- on the loop ------------------------------------------------------------------

    @property
    def _net(self) -> Network:
        assert self._network is not None
        return self._network

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, what: Callable[[], T]) -> T:
        async def on_the_loop() -> T:
            return what()

        return self._do_async(on_the_loop)

    def _do_async(self, what: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if not self._thread.is_alive():
            raise ConfigurationError("the proxy does not run; use it in a with block")
        # One at a time: a cut amid a heal would leave a listener that nobody knows of.
        with self._turn:
            return asyncio.run_coroutine_threadsafe(what(), self._loop).result(_CONTROL_SECONDS)

    async def _begin(self) -> None:
        self._network = Network()
        self._listen()

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.setblocking(False)
            self._listener.listen(_BACKLOG)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        # Not by an asyncio server: one that is closed amid an accept loses the socket.
        with contextlib.suppress(OSError):
            accepted, _ = listener.accept()
            task = self._loop.create_task(self._carry(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=accepted)
        link = Link(self._upstream, self._net, self._log, reader, writer)
        if self._listener is None:
            # Came through just before the listener was closed.
            link.reset()
        self._links.add(link)
        try:
            await link.run()
        except Exception as error:  # noqa: BLE001 - kept for whoever closes the proxy
            self._failures.append(error)
        finally:
            self._links.discard(link)

    def _cut(self) -> None:
        self._refuse()
        for link in list(self._links):
            link.cut()

    def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    def _release(self) -> None:
        for link in self._links:
            link.release()
        self._net.announce()

    def _heal(self) -> None:
        self._net.heal()
        self._release()
        self._listen()

    async def _end(self) -> None:
        self._refuse()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONTROL_SECONDS / 3):
                while self._tasks:
                    self._reset()
                    await asyncio.wait(self._tasks, timeout=0.1)
        # What was closed is told so, and lets go of its socket.
        await asyncio.sleep(0)


def _bound(port: int) -> socket.socket:
    """Return a socket on a port that another one of ours may hold."""
    opened = socket.socket()
    with contextlib.ExitStack() as undo:
        undo.callback(opened.close)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((_HOST, port))
        undo.pop_all()
    return opened


def _check(good: bool, message: str) -> None:
    if not good:
        raise ConfigurationError(message)
