"""A server of a few small pages, for probes and for people with ``curl``.

It is asyncio alone: three pages that are read with GET need no framework, and probes have
to work in an installation without extras. It has a thread and a loop of its own, so that it
answers while users' coroutines block theirs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self

from sabot.errors import ConfigurationError
from sabot.web.pages import Page, Pages, as_page

__all__ = ["WebServer"]

_logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 5.0
_REQUEST_BYTES = 16 * 1024
_START_SECONDS = 10.0


class WebServer:
    """Serves pages from `start` to `stop`; each connection is for one request.

    Args:
        pages: What to serve; any other path is 404.
        host: The address to listen on. On anything but the loopback interface whoever
            reaches it may read all pages: there is no login.
        port: The port; 0 picks a free one.
        name: Names the thread.
    """

    def __init__(self, pages: Pages, *, host: str, port: int, name: str = "web") -> None:
        self._pages = pages
        self._host = host
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=f"sabot-{name}", daemon=True)

    def start(self) -> Self:
        """Listen.

        Raises:
            ConfigurationError: If the address cannot be listened on.
        """
        self._thread.start()
        self._started.wait(_START_SECONDS)
        if self._failure is not None:
            raise ConfigurationError(
                f"nothing can be served at {self._host}:{self._port}: "
                f"{self._failure.strerror or self._failure}; give another web port or host"
            ) from self._failure
        return self

    def stop(self) -> None:
        """Stop listening; stopping twice does nothing."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(stopping.set)
            except RuntimeError:  # it has ended just now
                return
        if self._thread.is_alive():
            self._thread.join(_REQUEST_SECONDS)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- on the server's thread -----------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._connected, self._host, self._port, limit=_REQUEST_BYTES
            )
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                method, page = await self._answer(reader)
                writer.write(_response(page, with_body=method != "HEAD"))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone, or never said what it wanted
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[str, Page]:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return "GET", as_page({"error": "the request is too long"}, 431)
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return "GET", as_page({"error": "this is not HTTP/1"}, 400)
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return method, as_page({"error": "only GET and HEAD"}, 405)
        return method, self._page(target.partition("?")[0])

    def _page(self, path: str) -> Page:
        make = self._pages.get(path)
        if make is None:
            return as_page({"error": "no such page", "pages": sorted(self._pages)}, 404)
        try:
            return make()
        except Exception:
            _logger.exception("the page %s could not be made", path)
            return as_page({"error": "see the log"}, 500)


def _response(page: Page, *, with_body: bool) -> bytes:
    headers: Mapping[str, str] = {
        "Content-Type": "application/json",
        "Content-Length": str(len(page.body)),
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + (page.body if with_body else b"")
