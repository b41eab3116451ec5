"""Pass TCP connections on from a fixed port to another address on this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from sabot.errors import BrokerUnavailableError

__all__ = ["Forwarder"]

_CHUNK = 65536


class Forwarder:
    """Listens on the loopback interface; each connection is joined to one to the target.

    Two threads serve a connection, which suits the few that bootstrap from it.

    Args:
        port: Where to listen; 0 picks a free port, then in `port`.
        target: Host and port to pass connections on to.

    Raises:
        BrokerUnavailableError: If the port is taken.
    """

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._listener = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise BrokerUnavailableError(
                f"port {port} of 127.0.0.1 cannot be listened on: "
                f"{os.strerror(error.errno or 0)}; choose another port"
            ) from error
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(
            target=self._accept, name=f"sabot-forwarder-{self.port}", daemon=True
        )
        self._accepting.start()

    def close(self) -> None:
        """Stop listening and cut all connections; closing twice does nothing."""
        with self._lock:
            self._closed = True
            connections = list(self._open)
        # Only a shutdown wakes a thread that waits in accept or recv; close does not.
        for connection in (self._listener, *connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._accepting.join(1.0)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                upstream = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                if self._closed:
                    client.close()
                    upstream.close()
                    return
                self._open |= {client, upstream}
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(
                    target=self._pump,
                    args=(source, sink),
                    name=f"sabot-forwarder-{self.port}-pump",
                    daemon=True,
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                sink.sendall(chunk)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        source.close()
        with self._lock:
            self._open.discard(source)
