"""The proxy before something that is no broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sabot.errors import ConfigurationError
from sabot.testing import FaultProxy


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


def test_bytes_that_are_no_protocol_of_kafkas_pass_both_ways(upstream: socket.socket) -> None:
    with (
        FaultProxy(address(upstream)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client,
    ):
        served, _ = upstream.accept()
        with served:
            client.sendall(b"\xff hello there")
            assert served.recv(100) == b"\xff hello there"
            served.sendall(b"\xff and hello to you")
            assert client.recv(100) == b"\xff and hello to you"


def test_a_client_of_a_broker_that_is_not_there_is_sent_away() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with (
            FaultProxy(address(closed)) as proxy,
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client,
        ):
            client.recv(1)


def test_its_port_stays_its_own_while_it_is_cut(upstream: socket.socket) -> None:
    with FaultProxy(address(upstream)) as proxy:
        proxy.cut()
        proxy.cut()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", proxy.port))
        proxy.heal()
        proxy.heal()
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10).close()


def test_it_is_refused_what_it_cannot_do(upstream: socket.socket) -> None:
    with pytest.raises(ConfigurationError, match="'host:port'; got 'localhost'"):
        FaultProxy("localhost")
    idle = FaultProxy(address(upstream))
    with pytest.raises(ConfigurationError, match="use it in a with block"):
        idle.cut()
    idle.close()
    with FaultProxy(address(upstream)) as proxy:
        with pytest.raises(ConfigurationError, match="direction is 'to_broker'"):
            proxy.blackhole("up")
        with pytest.raises(ConfigurationError, match="more than 0 bytes"):
            proxy.slow(0)
        with pytest.raises(ConfigurationError, match="0 seconds or more"):
            proxy.latency(-1)
