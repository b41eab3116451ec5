"""``sabot broker``, ``send`` and ``tail`` as a newcomer uses them, in processes."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator

import pytest

from sabot.runtime.exit_codes import ExitCode
from tests.acceptance.command import Command
from tests.broker import Kafka

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of one embedded broker for the tests of this file."""
    with Command("broker", "--port", "0") as broker:
        # Both what it prints and what it tells people have the address in them.
        found = re.search(r"127\.0\.0\.1:\d+", broker.line("127.0.0.1:"))
        assert found
        yield found.group()


@pytest.fixture(params=["embedded", "real"])
def cluster(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A broker's address and a topic of its own: on the embedded broker, then a real one."""
    if request.param == "embedded":
        return request.getfixturevalue("address"), f"orders-{request.node.name[:20]}"
    kafka: Kafka = request.getfixturevalue("kafka")
    return kafka.bootstrap, kafka.create_topic(kafka.unique("orders"))


def sabot(*arguments: str, broker: str | None = None, text: str = "") -> Command:
    environment = {"SABOT_BROKER": broker} if broker else None
    with Command(*arguments, environment=environment, text=text) as command:
        command.ends()
    return command


def test_what_is_sent_is_what_tail_prints(cluster: tuple[str, str]) -> None:
    broker, topic = cluster
    sent = sabot("send", topic, '{"id": 1}', "--key", "k", "--header", "a=b", "--broker", broker)
    assert sent.code == ExitCode.OK, str(sent)
    assert sent.out == ""
    place = sent.err.strip()
    assert place.startswith(f"{topic}[")

    seen = sabot("tail", topic, "--from-beginning", "--limit", "1", broker=broker)
    assert seen.code == ExitCode.OK, str(seen)
    assert seen.out == f'{place}  k  {{"id": 1}}\n'

    whole = sabot("tail", topic, "--from-beginning", "--limit", "1", "--json", broker=broker)
    record = json.loads(whole.out)
    assert record.pop("timestamp") > 0
    assert record == {
        "topic": topic,
        "partition": int(place.partition("[")[2].partition("]")[0]),
        "offset": 0,
        "key": "k",
        "headers": [["a", "b"]],
        "value": {"id": 1},
    }


def test_tail_shows_what_comes_and_ends_with_an_interrupt(cluster: tuple[str, str]) -> None:
    broker, topic = cluster
    sabot("send", topic, '"before"', broker=broker)
    with Command("tail", topic, environment={"SABOT_BROKER": broker}) as tail:
        tail.line("reading from the end")
        # Where the end is, is asked a moment after the line above.
        while '"after"' not in tail.out:
            sabot("send", topic, '"after"', broker=broker)
        tail.interrupt()
        assert tail.ends() == ExitCode.OK
    assert '"before"' not in tail.out
    assert "Traceback" not in tail.err


def test_a_text_that_is_no_json_is_refused(address: str) -> None:
    sent = sabot("send", "orders", "{id: 1}", broker=address)
    assert sent.code == ExitCode.USAGE
    assert "'{id: 1}' is not JSON" in sent.err
    assert "quote it for the shell" in sent.err


def test_a_header_without_a_value_is_refused(address: str) -> None:
    sent = sabot("send", "orders", "1", "--header", "a", broker=address)
    assert sent.code == ExitCode.USAGE
    assert "'a' is not NAME=VALUE" in sent.err


def test_a_broker_that_is_not_there_is_said_and_has_its_exit_code() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
        sent = sabot("send", "orders", "1", broker=nowhere)
    assert sent.code == ExitCode.BROKER
    assert "\nerror: " in f"\n{sent.err}"
    assert nowhere in sent.err
    assert "Traceback" not in sent.err


def test_an_embedded_address_is_refused_where_nobody_could_read_it() -> None:
    sent = sabot("send", "orders", "1", broker="embedded://")
    assert sent.code == ExitCode.USAGE
    assert "sabot broker" in sent.err


def test_a_port_that_is_taken_is_said(address: str) -> None:
    taken = address.rpartition(":")[2]
    second = sabot("broker", "--port", taken)
    assert second.code == ExitCode.BROKER
    assert f"port {taken}" in second.err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to send")
@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_the_broker_ends_when_told_to(how: str) -> None:
    with Command("broker", "--port", "0") as broker:
        broker.line("Ctrl-C ends it")
        getattr(broker, how)()
        assert broker.ends() == ExitCode.OK
    assert broker.out.startswith("127.0.0.1:")
    assert "Traceback" not in broker.err
