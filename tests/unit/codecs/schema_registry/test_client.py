"""The client beside a small HTTP server, for what a healthy registry never does.

What a real registry does is in tests/integration/registry.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sabot.codecs.schema_registry import SchemaRegistry
from sabot.errors import (
    ConfigurationError,
    SchemaRegistryError,
    SchemaRegistryUnavailableError,
    UnknownSchemaError,
)

pytest.importorskip("confluent_kafka.schema_registry")


class Server:
    """Answers every request with the next of its answers, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                who = self.headers.get("Authorization")
                server.requests.append((self.command, self.path, who))
                status, body = (
                    server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                )
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 - named by its base

            def log_message(self, *args: Any) -> None:
                pass

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def registry(self, **options: Any) -> SchemaRegistry:
        return SchemaRegistry(
            {"schema_registry_url": self.url, "schema_registry_retries": 0, **options}
        )


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


SCHEMA = {"schema": '"int"', "id": 7}
UNKNOWN = {"error_code": 40403, "message": "Schema not found"}


def test_nothing_is_asked_before_something_is_needed(server: Server) -> None:
    server.answers = [(200, SCHEMA)]
    registry = server.registry()
    assert server.requests == []
    assert registry.schema(7).text == '"int"'
    assert registry.schema(7).kind == "AVRO"
    assert len(server.requests) == 1


def test_the_user_is_named_to_the_registry(server: Server) -> None:
    server.answers = [(200, SCHEMA)]
    server.registry(schema_registry_basic_auth="ann:se:cret").schema(7)
    expected = "Basic " + base64.b64encode(b"ann:se:cret").decode()
    assert server.requests[0][2] == expected


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_in_trouble_is_asked_again_later(server: Server, status: int) -> None:
    server.answers = [(status, {"error_code": 50001, "message": "store"}), (200, SCHEMA)]
    registry = server.registry()
    with pytest.raises(SchemaRegistryUnavailableError, match="cannot answer now") as caught:
        registry.schema(7)
    assert caught.value.retriable
    assert registry.schema(7).id == 7


def test_a_request_is_repeated_as_often_as_asked(server: Server) -> None:
    server.answers = [(503, {}), (503, {}), (200, SCHEMA)]
    assert server.registry(schema_registry_retries=2).schema(7).id == 7
    assert len(server.requests) == 3


def test_nobody_at_the_address_is_a_registry_that_is_down(server: Server) -> None:
    server.close()
    with pytest.raises(SchemaRegistryUnavailableError, match="does not answer") as caught:
        server.registry().schema(7)
    assert caught.value.retriable


def test_an_unknown_id_is_not_asked_for_again_at_once(server: Server) -> None:
    server.answers = [(404, UNKNOWN)]
    registry = server.registry()
    for _ in range(3):
        with pytest.raises(UnknownSchemaError, match="has no schema 9") as caught:
            registry.schema(9)
        assert not caught.value.retriable
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 422])
def test_a_refusal_is_no_fault_of_a_record_and_does_not_pass(server: Server, status: int) -> None:
    server.answers = [(status, {"error_code": status, "message": "no"})]
    with pytest.raises(SchemaRegistryError, match="refuses schema 7") as caught:
        server.registry().schema(7)
    assert not isinstance(caught.value, UnknownSchemaError)
    assert not caught.value.retriable


def test_a_schema_is_registered_once(server: Server) -> None:
    server.answers = [(200, {"id": 3})]
    registry = server.registry()
    assert {registry.register("s", "AVRO", '"int"') for _ in range(3)} == {3}
    assert len(server.requests) == 1


def test_options_the_client_refuses_are_named(server: Server) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.such"):
        server.registry(schema_registry_config={"no.such.property": 1}).schema(1)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        server.registry(schema_registry_ssl_ca="no-such-file.pem").schema(1)


def test_a_password_in_the_address_is_in_no_message() -> None:
    registry = SchemaRegistry(
        {"schema_registry_url": "http://ann:secret@127.0.0.1:1", "schema_registry_retries": 0}
    )
    with pytest.raises(SchemaRegistryUnavailableError) as caught:
        registry.schema(1)
    assert "secret" not in str(caught.value)
