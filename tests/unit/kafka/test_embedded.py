"""The embedded broker: one per process, at a port that can be told beforehand."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from sabot.errors import BrokerUnavailableError, ConfigurationError
from sabot.kafka.admin import create_topic, end_offsets, list_topics, send, tail
from sabot.kafka.embedded import (
    ADDRESS_VARIABLE,
    EmbeddedBroker,
    resolve_bootstrap,
    stop_embedded,
)
from sabot.types import TopicPartition


@pytest.fixture
def embedded() -> Iterator[str]:
    yield "embedded://"
    stop_embedded()


def test_another_address_is_left_alone() -> None:
    assert resolve_bootstrap("localhost:9092,other:9092") == "localhost:9092,other:9092"


def test_a_process_has_one_broker(embedded: str) -> None:
    assert resolve_bootstrap(embedded) == resolve_bootstrap(embedded)


def test_a_worker_of_several_takes_the_one_its_parent_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "127.0.0.1:4711")
    assert resolve_bootstrap("embedded://") == "127.0.0.1:4711"
    assert resolve_bootstrap("localhost:9092") == "localhost:9092"


def test_a_name_is_refused(embedded: str) -> None:
    with pytest.raises(ConfigurationError, match="the embedded broker is 'embedded://'"):
        resolve_bootstrap("embedded://mine")


def test_what_is_sent_can_be_read(embedded: str) -> None:
    partition, offset = send(embedded, "letters", b"hello", key=b"k", headers=[("h", b"1")])
    assert offset == 0
    (record,) = tail(embedded, "letters", from_beginning=True, limit=1)
    assert (record.value, record.key, record.headers) == (b"hello", b"k", [("h", b"1")])
    assert (record.topic, record.partition, record.offset) == ("letters", partition, 0)
    assert record.timestamp is not None
    assert list_topics(embedded) == {"letters": 4}
    assert sum(end_offsets(embedded, "letters").values()) == 1
    assert end_offsets(embedded, "letters")[TopicPartition("letters", partition)] == 1


def test_a_topic_is_made_once(embedded: str) -> None:
    assert create_topic(embedded, "letters")
    assert not create_topic(embedded, "letters")
    with pytest.raises(ConfigurationError, match="no settings of their own"):
        create_topic(embedded, "others", config={"cleanup.policy": "compact"})


def test_it_starts_empty_after_a_stop(embedded: str) -> None:
    send(embedded, "letters", b"hello")
    stop_embedded()
    assert list_topics(embedded) == {}


def test_clients_bootstrap_from_its_fixed_port() -> None:
    with EmbeddedBroker(port=0) as broker:
        send(broker.bootstrap, "letters", b"hello")
        (record,) = tail(broker.bootstrap, "letters", from_beginning=True, limit=1)
        assert record.value == b"hello"


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerUnavailableError, match=f"port {port} of 127.0.0.1 cannot be"):
            EmbeddedBroker(port).start()
    stop_embedded()


def test_a_port_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match="allowed: 0 "):
        EmbeddedBroker(70000)


def test_stopping_twice_does_nothing() -> None:
    broker = EmbeddedBroker(port=0).start()
    broker.stop()
    broker.stop()
    with pytest.raises(ConfigurationError, match="call start"):
        _ = broker.bootstrap


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told_the_address(embedded: str) -> None:
    address = resolve_bootstrap(embedded)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            resolve_bootstrap(embedded)
        except ConfigurationError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        assert f"give the child its address: {address!r}" in told.read()
