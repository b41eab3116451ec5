from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse

import pytest

from sabot.errors import ConfigurationError
from sabot.web import Page, WebServer, probe_pages


@dataclass(frozen=True)
class Answer:
    ok: bool
    reasons: tuple[str, ...] = ()


@dataclass
class State:
    health: Answer
    ready: Answer
    statistics: object


@pytest.fixture
def state() -> State:
    return State(Answer(True), Answer(False, ("starting",)), Answer(True))


@pytest.fixture
def server(state: State) -> Iterator[WebServer]:
    def statistics() -> object:
        if isinstance(state.statistics, Exception):
            raise state.statistics
        return state.statistics

    pages = probe_pages(
        health=lambda: state.health, ready=lambda: state.ready, statistics=statistics
    )
    with WebServer(pages, host="127.0.0.1", port=0) as started:
        yield started


def get(server: WebServer, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def raw(server: WebServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_probe_gets_its_status_and_the_reasons(server: WebServer, state: State) -> None:
    response, body = get(server, "/health")
    assert response.status == 200
    assert json.loads(body) == {"ok": True, "reasons": []}
    response, body = get(server, "/ready?verbose")
    assert response.status == 503
    assert json.loads(body) == {"ok": False, "reasons": ["starting"]}
    state.ready = Answer(True)
    assert get(server, "/ready")[0].status == 200


def test_the_first_page_has_the_statistics(server: WebServer) -> None:
    response, body = get(server, "/")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert json.loads(body) == {"ok": True, "reasons": []}


def test_a_head_has_the_length_and_no_body(server: WebServer) -> None:
    response, body = get(server, "/health", "HEAD")
    assert response.status == 200
    assert int(response.headers["Content-Length"]) > 0
    assert body == b""


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /nowhere HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /health HTTP/1.1\r\n\r\n", b"405"),
        (b"hello\r\n\r\n", b"400"),
        (b"GET /health\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 10_000, b"431"),
    ],
)
def test_what_cannot_be_served_is_refused(
    server: WebServer, request_text: bytes, status: bytes
) -> None:
    assert raw(server, request_text).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("request_text", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_who_hangs_up_in_the_middle_harms_nobody(server: WebServer, request_text: bytes) -> None:
    assert raw(server, request_text) == b""
    assert get(server, "/health")[0].status == 200


def test_a_page_that_fails_is_logged_and_the_next_is_served(
    server: WebServer, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    state.statistics = ValueError("no statistics today")
    response, body = get(server, "/")
    assert response.status == 500
    assert b"no statistics" not in body
    assert "no statistics today" in caplog.text
    assert get(server, "/health")[0].status == 200


def test_a_port_that_is_taken_is_said(server: WebServer) -> None:
    second = WebServer({}, host="127.0.0.1", port=server.port)
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{server.port}"):
        second.start()


def test_once_stopped_nobody_listens_and_stopping_again_does_nothing() -> None:
    server = WebServer({"/": lambda: Page(200, b"{}")}, host="127.0.0.1", port=0).start()
    server.stop()
    server.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
    assert "sabot-web" not in {thread.name for thread in threading.enumerate()}
