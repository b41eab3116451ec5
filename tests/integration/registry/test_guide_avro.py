"""The guide's Avro blocks as they are written there, on a real broker and registry."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sabot.kafka.forwarder import Forwarder
from sabot.plan.outputs import collecting
from sabot.runtime.exit_codes import ExitCode
from scripts.registry import Registry
from tests.broker import Kafka
from tests.conftest import own_broker, own_registry
from tests.docs.running import ADDRESS, clean
from tests.docs.running import running as worker_running
from tests.docs.test_guide_blocks import GUIDE, guide
from tests.integration.registry.confluent import Confluent, record
from tests.until import until
from tests.workers import FAST, hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not beside this checkout"),
]

REGISTRY = "http://localhost:8081"
TRANSACTION = record(
    ("id", "string"), ("amount", "double"), ("timestamp", "long"), name="Transaction"
)
ROWS = [{"id": f"t{n}", "amount": n + 0.5, "timestamp": n} for n in range(20)]


@pytest.fixture
def broker() -> Any:
    with own_broker() as found:
        yield found


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry of its own: the guide's blocks have a subject in common."""
    with own_registry() as found:
        yield found


def execute(name: tuple[str, int], kafka: Kafka, registry: Registry) -> dict[str, Any]:
    block = guide()[name]
    text = block.code.replace(ADDRESS, kafka.bootstrap).replace(REGISTRY, registry.url)
    names: dict[str, Any] = {}
    exec("from sabot.api.stream import Stream", names)
    exec(compile(text, str(block), "exec", dont_inherit=True), names)
    return names


def test_avro_is_read_and_written_as_in_example_2(
    broker: Kafka, registry: Registry, theirs: Confluent
) -> None:
    kafka, target = broker, "processed-transactions"
    with collecting() as collection:
        execute(("Example 2: Avro with Schema Registry", 1), kafka, registry)
    clean(kafka, ["transactions", target], ["processor"])
    with worker_running(kafka, list(collection.outputs), "guide") as run:
        values = theirs.write("transactions", TRANSACTION, *ROWS)
        kafka.produce("transactions", [*values, b"\x00broken"])
        until(lambda: len(kafka.read_all(target)) >= len(ROWS), what=target)
        assert run.stop() == ExitCode.OK, run.worker.failure
    arrived = theirs.read(target, *(each.value() for each in kafka.read_all(target)))
    assert sorted(arrived, key=lambda row: row["timestamp"]) == ROWS


def test_avro_is_read_as_in_the_codec_block(
    broker: Kafka, registry: Registry, theirs: Confluent
) -> None:
    kafka = broker
    with collecting() as collection:
        names = execute(("Avro with Schema Registry", 1), kafka, registry)
        names["stream"].to_kafka(kafka.bootstrap, "seen")
    clean(kafka, ["topic", "seen"], ["group"])
    with worker_running(kafka, list(collection.outputs), "guide") as run:
        kafka.produce("topic", theirs.write("topic", record(("n", "int")), {"n": 1}, {"n": 2}))
        until(lambda: len(kafka.read_all("seen")) >= 2, what="seen")
        assert run.stop() == ExitCode.OK, run.worker.failure
    assert sorted(each.value() for each in kafka.read_all("seen")) == [b'{"n":1}', b'{"n":2}']


def test_a_registry_that_is_down_is_waited_for_and_no_record_is_lost(
    kafka: Kafka, registry: Registry, theirs: Confluent
) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic)
    kafka.produce(source, theirs.write(source, TRANSACTION, *ROWS))
    there = urlsplit(registry.url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = registry.url.replace(there.netloc, f"127.0.0.1:{port}")
    options = {"schema_registry_url": url, "schema_registry_retries": 0}

    def define(app: Any) -> None:
        rows = app.stream(source, codec_type="avro", codec_options=options, **FAST)
        rows.to_kafka(app.broker, sink, codec_type="avro", codec_options=options)

    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(hosted(define, kafka=kafka, group=group))
        until(
            lambda: any(p.restarts for p in worker.statistics.pipelines),
            what="attempt without a registry",
        )
        assert sum(kafka.committed(group, source).values()) == 0
        assert there.hostname
        assert there.port
        stack.enter_context(contextlib.closing(Forwarder(port, (there.hostname, there.port))))
        worker.await_sent(len(ROWS))
        assert worker.stop() == ExitCode.OK
        arrived = theirs.read(sink, *(each.value() for each in kafka.read_all(sink)))
    assert sorted(arrived, key=lambda row: row["timestamp"]) == ROWS


@pytest.mark.parametrize("policy", ["skip", "dead_letter"])
def test_a_registry_that_is_down_is_waited_for_where_records_are_written(
    kafka: Kafka, registry: Registry, theirs: Confluent, policy: str
) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    dead = kafka.create_topic(kafka.unique("dead"))
    for topic in (source, sink):
        kafka.create_topic(topic)
    # One that the schema has no room for, so that the policy has a record to take.
    kafka.produce(source, [*ROWS, ROWS[0] | {"amount": None}])
    there = urlsplit(registry.url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "schema_registry_url": registry.url.replace(there.netloc, f"127.0.0.1:{port}"),
        "schema_registry_retries": 0,
        "schema": TRANSACTION,
    }

    def define(app: Any) -> None:
        rows = app.stream(source, error_handling_policy=policy, dead_letter_topic=dead, **FAST)
        rows.to_kafka(app.broker, sink, codec_type="avro", codec_options=options)

    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(hosted(define, kafka=kafka, group=group))
        until(
            lambda: any(p.restarts for p in worker.statistics.pipelines),
            what="attempt without a registry",
        )
        assert sum(kafka.committed(group, source).values()) == 0
        assert kafka.read_all(dead) == []
        assert there.hostname
        assert there.port
        stack.enter_context(contextlib.closing(Forwarder(port, (there.hostname, there.port))))
        worker.await_sent(len(ROWS))
        assert worker.stop() == ExitCode.OK
        arrived = theirs.read(sink, *(each.value() for each in kafka.read_all(sink)))
    assert sorted(arrived, key=lambda row: row["timestamp"]) == ROWS
    assert worker.pipeline().skipped == (policy == "skip")
    assert len(kafka.read_all(dead)) == (policy == "dead_letter")


def test_an_incompatible_schema_stops_the_job_at_once_with_the_registrys_words(
    kafka: Kafka, registry: Registry, theirs: Confluent
) -> None:
    group, source, sink = kafka.unique("g"), kafka.unique("in"), kafka.unique("out")
    for topic in (source, sink):
        kafka.create_topic(topic)
    theirs.register(f"{sink}-value", record(("id", "int")))
    theirs.client.set_compatibility(f"{sink}-value", "BACKWARD")
    kafka.produce(source, theirs.write(source, TRANSACTION, *ROWS))
    options = {"schema_registry_url": registry.url}

    def define(app: Any) -> None:
        rows = app.stream(source, codec_type="avro", codec_options=options, **FAST)
        strict = options | {"schema": TRANSACTION}
        rows.to_kafka(app.broker, sink, codec_type="avro", codec_options=strict)

    with hosted(define, kafka=kafka, group=group) as worker:
        assert worker.ends() == ExitCode.FAILED
    assert "409" in str(worker.failure)
    assert kafka.read_all(sink) == []
    assert sum(kafka.committed(group, source).values()) == 0
