"""The embedded broker: librdkafka's mock cluster, hosted by this process.

It speaks the real protocol to real clients, in this process and in others on this
machine, and keeps everything in memory: for demos, tests and first steps. Its limits:

* A partition keeps about 5 MB; what is older is dropped, and a reader that had not got
  that far meets `OffsetOutOfRangeError`.
* Topics appear when they are first used, with four partitions; there is no other way to
  create one, and none to remove one.
* A group has its partitions after about three seconds, or six where its last member has
  just left (its session time-out), and rebalances stop its members
  (no cooperative protocol, no ``group.protocol=consumer``).
* Transactions do not keep offsets, so exactly-once is refused on it.
* It dies with the process that hosts it, and listens on the loopback interface only.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, Self

from sabot.errors import BrokerUnavailableError, ConfigurationError
from sabot.kafka.forwarder import Forwarder

__all__ = [
    "ADDRESS_VARIABLE",
    "SCHEME",
    "EmbeddedBroker",
    "is_embedded",
    "is_embedded_cluster",
    "resolve_bootstrap",
    "stop_embedded",
]

SCHEME = "embedded://"
"""A bootstrap address that starts so means the broker hosted by this process."""

ADDRESS_VARIABLE = "SABOT_EMBEDDED_BROKER"
"""The environment variable by which workers are told of the one their parent hosts."""

_START_SECONDS = 10.0


class _Cluster:
    """A running mock cluster; it lives as long as the client that hosts it."""

    def __init__(self) -> None:
        import confluent_kafka

        self.pid = os.getpid()
        self._host: Any = confluent_kafka.Producer(
            # Said by the host on its own account; what it has to tell is of no use here.
            {"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 3}
        )
        try:
            brokers = self._host.list_topics(timeout=_START_SECONDS).brokers.values()
        except confluent_kafka.KafkaException as error:
            raise BrokerUnavailableError(
                f"the embedded broker did not start within {_START_SECONDS:g} s: {error}"
            ) from error
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def stop(self) -> None:
        self._host = None


class _Hosted:
    """The one cluster of this process, if it has started."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cluster: _Cluster | None = None


_hosted = _Hosted()


def is_embedded(bootstrap: str) -> bool:
    """Whether an address means the embedded broker.

    Example:
        >>> is_embedded("embedded://"), is_embedded("localhost:9092")
        (True, False)
    """
    return bootstrap.startswith(SCHEME)


def is_embedded_cluster(cluster_id: str | None) -> bool:
    """Whether a cluster, by its id, is an embedded broker, perhaps of another process."""
    return cluster_id is not None and cluster_id.startswith("mockCluster")


def resolve_bootstrap(bootstrap: str) -> str:
    """Return the address to connect to, starting the embedded broker at its first use.

    Any other address is returned as it is. All of one process share one embedded broker,
    and the workers of one command share their parent's.

    Raises:
        ConfigurationError: In a child forked from the process that hosts the broker:
            the child has the client's memory but none of its threads.
    """
    if not is_embedded(bootstrap):
        return bootstrap
    if bootstrap.removeprefix(SCHEME).strip("/"):
        raise ConfigurationError(
            f"bootstrap_servers is {bootstrap!r}; the embedded broker is {SCHEME!r}, without a name"
        )
    if (elsewhere := os.environ.get(ADDRESS_VARIABLE)) is not None:
        return elsewhere
    with _hosted.lock:
        cluster = _hosted.cluster
        if cluster is None:
            cluster = _hosted.cluster = _Cluster()
        elif cluster.pid != os.getpid():
            raise ConfigurationError(
                f"the embedded broker lives in process {cluster.pid}, of which this one "
                f"({os.getpid()}) is a fork; give the child its address: {cluster.bootstrap!r}"
            )
        return cluster.bootstrap


def stop_embedded() -> None:
    """Stop the embedded broker, with all it holds; the next use starts an empty one.

    Nothing happens where none runs, or in a forked child.
    """
    with _hosted.lock:
        if _hosted.cluster is not None and _hosted.cluster.pid == os.getpid():
            _hosted.cluster.stop()
            _hosted.cluster = None


class EmbeddedBroker:
    """The embedded broker on a port that other processes can be told beforehand.

    librdkafka picks a free port of its own. A client asks its bootstrap address only once
    where the brokers are, so that first connection is passed on from the fixed port, and
    all others go to the broker directly.

    Args:
        port: Where clients bootstrap from; 0 picks a free one.

    Example:
        >>> with EmbeddedBroker(port=0) as broker:
        ...     broker.bootstrap.startswith("127.0.0.1:")
        True
    """

    def __init__(self, port: int = 9092) -> None:
        if not 0 <= port <= 65535:
            raise ConfigurationError(f"port is {port!r}; allowed: 0 (a free one) to 65535")
        self._port = port
        self._forwarder: Forwarder | None = None

    @property
    def bootstrap(self) -> str:
        """The address to give as ``bootstrap_servers``, once started."""
        if self._forwarder is None:
            raise ConfigurationError("the embedded broker is not started; call start() first")
        return f"127.0.0.1:{self._forwarder.port}"

    def start(self) -> Self:
        """Start the broker and listen.

        Raises:
            BrokerUnavailableError: If the port is taken.
        """
        if self._forwarder is None:
            host, _, port = resolve_bootstrap(SCHEME).split(",")[0].rpartition(":")
            self._forwarder = Forwarder(self._port, (host, int(port)))
        return self

    def stop(self) -> None:
        """Stop listening and stop the broker; stopping twice does nothing."""
        if self._forwarder is not None:
            self._forwarder.close()
            self._forwarder = None
            stop_embedded()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
