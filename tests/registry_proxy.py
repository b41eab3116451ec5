"""A server before the real schema registry: TLS, passwords, and silence on demand."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripts.registry import Registry

__all__ = ["RegistryProxy", "proxy"]

PASSED_ON = ("Accept", "Content-Type")


class RegistryProxy(ThreadingHTTPServer):
    """Passes requests on to a registry, and answers as the registry did.

    Args:
        registry: The registry.
        context: How it speaks TLS; plain HTTP without.
        user: ``"user:password"`` that it wants; anybody unless given.

    Attributes:
        hung: How many requests came while it was silent. They never get an answer.
        passed: How many were passed on.
    """

    daemon_threads = True

    def __init__(
        self, registry: Registry, context: ssl.SSLContext | None, user: str | None
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        there = urllib.parse.urlsplit(registry.url)
        self.target = f"{there.scheme}://{there.netloc}"
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://localhost:{self.server_port}{there.path}"
        self.wanted = None if user is None else "Basic " + base64.b64encode(user.encode()).decode()
        self.hung = 0
        self.passed = 0
        self.silent = threading.Event()
        self.ended = threading.Event()
        if context is not None:
            # The handshake is the handler's business: here it would hold up all others.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that do not trust it, or give up, are what is tested."""


class Handler(BaseHTTPRequestHandler):
    """Handles one request."""

    server: RegistryProxy

    def pass_on(self) -> None:
        """Answer as the registry does, or not at all."""
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else None
        if self.server.silent.is_set():
            self.server.hung += 1
            self.server.ended.wait()
            self.close_connection = True
            return
        wanted = self.server.wanted
        if wanted is not None and self.headers.get("Authorization") != wanted:
            refusal = {"error_code": 40101, "message": "User cannot access the resource."}
            self.answer(401, json.dumps(refusal).encode())
            return
        self.server.passed += 1
        request = urllib.request.Request(
            self.server.target + self.path,
            data=body,
            method=self.command,
            headers={name: self.headers[name] for name in PASSED_ON if name in self.headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                self.answer(error.code, error.read())

    do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815 - names of http.server

    def answer(self, status: int, body: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Keep quiet."""


@contextlib.contextmanager
def proxy(
    registry: Registry, context: ssl.SSLContext | None = None, *, user: str | None = None
) -> Iterator[RegistryProxy]:
    """Have a proxy for the length of a ``with`` block."""
    server = RegistryProxy(registry, context, user)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
