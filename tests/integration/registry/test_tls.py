"""TLS, passwords and silence between the client and a real registry."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sabot.app.app import App
from sabot.codecs import create_codec
from sabot.codecs.schema_registry import SchemaRegistry
from sabot.errors import SchemaRegistryError, SchemaRegistryUnavailableError
from sabot.kafka.source import KafkaSource, KafkaSourceConfig
from sabot.runtime.exit_codes import ExitCode
from scripts.registry import Registry
from tests.broker import Kafka
from tests.certificates import Authority, Signed
from tests.registry_proxy import RegistryProxy, proxy
from tests.until import until
from tests.workers import FAST, hosted

SCHEMA = '{"type":"record","name":"R","fields":[{"name":"n","type":"int"}]}'


@dataclass(frozen=True)
class Papers:
    """An authority with a server and a client, and another one with a client of its own."""

    ours: Authority
    theirs: Authority
    server: Signed
    client: Signed
    stranger: Signed

    def context(self, **options: bool) -> ssl.SSLContext:
        return self.ours.server_context(self.server, **options)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder: Path = tmp_path_factory.mktemp("papers")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    return Papers(ours, theirs, ours.sign("server"), ours.sign("client"), theirs.sign("stranger"))


def options(server: RegistryProxy, ca: Authority | None = None, **more: Any) -> dict[str, Any]:
    trusted = {} if ca is None else {"schema_registry_ssl_ca": str(ca.file)}
    return {
        "schema_registry_url": server.url,
        "schema_registry_retries": 0,
        "schema_registry_timeout_seconds": 5,
        **trusted,
        **more,
    }


def own(signed: Signed) -> dict[str, str]:
    return {
        "schema_registry_ssl_cert": str(signed.certificate),
        "schema_registry_ssl_key": str(signed.key),
    }


def register(found: dict[str, Any]) -> int:
    return SchemaRegistry(found).register(f"subject-{uuid.uuid4().hex[:8]}", "AVRO", SCHEMA)


def test_a_codec_writes_and_reads_over_tls_by_an_authority_of_its_own(
    registry: Registry, papers: Papers
) -> None:
    with proxy(registry, papers.context()) as server:
        given = options(server, papers.ours, subject=f"s-{uuid.uuid4().hex[:8]}")
        writer = create_codec("avro", {**given, "schema": SCHEMA}, topic="t")
        (value,) = writer.encode_rows([{"n": 7}]).values
        assert create_codec("avro", given, topic="t").decode_rows([value]).rows == [{"n": 7}]
        assert server.passed >= 2


@pytest.mark.parametrize("trusted", ["another authority", "those of the machine"])
def test_a_certificate_nobody_trusts_is_an_error_that_says_what_to_do(
    registry: Registry, papers: Papers, trusted: str
) -> None:
    ca = papers.theirs if trusted == "another authority" else None
    with proxy(registry, papers.context()) as server:
        with pytest.raises(SchemaRegistryError, match="is not trusted") as caught:
            register(options(server, ca))
        assert not caught.value.retriable
        assert server.url in str(caught.value)
        assert "schema_registry_ssl_ca" in str(caught.value)
        assert server.passed == 0


def test_a_registry_that_asks_for_a_certificate_gets_the_clients(
    registry: Registry, papers: Papers
) -> None:
    with proxy(registry, papers.context(asks_clients=True)) as server:
        assert register(options(server, papers.ours, **own(papers.client))) > 0


@pytest.mark.parametrize("whose", ["nobody's", "a stranger's"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_registry_that_does_not_take_the_client_is_an_error_that_says_what_to_do(
    registry: Registry, papers: Papers, whose: str, version: ssl.TLSVersion
) -> None:
    given = {} if whose == "nobody's" else own(papers.stranger)
    context = papers.context(asks_clients=True)
    context.minimum_version = context.maximum_version = version
    with proxy(registry, context) as server:
        with pytest.raises(SchemaRegistryError, match="does not take this client") as caught:
            register(options(server, papers.ours, **given))
        assert not caught.value.retriable
        assert "schema_registry_ssl_cert" in str(caught.value)
        assert server.passed == 0


def test_a_port_without_tls_is_told_from_a_registry_that_is_down(registry: Registry) -> None:
    with proxy(registry) as server:
        server.url = server.url.replace("http://", "https://")
        with pytest.raises(SchemaRegistryError, match="does not speak TLS") as caught:
            register(options(server))
        assert not caught.value.retriable


def test_a_password_goes_over_tls(registry: Registry, papers: Papers) -> None:
    with proxy(registry, papers.context(), user="reader:se:cret") as server:
        right = {"schema_registry_basic_auth": "reader:se:cret"}
        assert register(options(server, papers.ours, **right)) > 0
        passed = server.passed
        wrong: list[dict[str, str]] = [{}, {"schema_registry_basic_auth": "reader:guess"}]
        for given in wrong:
            with pytest.raises(SchemaRegistryError, match="401") as caught:
                register(options(server, papers.ours, **given))
            assert not caught.value.retriable
            assert "guess" not in str(caught.value)
        assert server.passed == passed


def test_a_server_that_never_answers_is_one_that_is_down(
    registry: Registry, papers: Papers
) -> None:
    with proxy(registry, papers.context()) as server:
        server.silent.set()
        given = options(server, papers.ours, schema_registry_timeout_seconds=0.2)
        with pytest.raises(SchemaRegistryUnavailableError, match="does not answer") as caught:
            register(given)
        assert caught.value.retriable
        assert server.hung == 1
        server.silent.clear()
        assert register(given) > 0


def written(registry: Registry, subject: str, numbers: list[int]) -> list[bytes | None]:
    given = {"schema_registry_url": registry.url, "subject": subject, "schema": SCHEMA}
    codec = create_codec("avro", given, topic="t")
    return list(codec.encode_rows([{"n": n} for n in numbers]).values)


@pytest.mark.slow
def test_a_worker_waits_for_a_silent_registry_and_skips_nothing(
    kafka: Kafka, registry: Registry, papers: Papers
) -> None:
    group = kafka.unique("g")
    source, sink = (kafka.create_topic(kafka.unique(n), 1) for n in ("in", "out"))
    kafka.produce(source, [*written(registry, source, [1, 2, 3]), b"bad"])
    with proxy(registry, papers.context()) as server:
        server.silent.set()
        given = options(server, papers.ours, subject=source, schema_registry_timeout_seconds=0.2)

        def define(app: App) -> None:
            rows = app.stream(source, codec_type="avro", codec_options=given, **FAST)
            rows.to_kafka(app.broker, sink)

        with hosted(define, kafka=kafka, group=group) as worker:
            until(lambda: server.hung >= 3, what="three requests without an answer")
            assert worker.sent == 0
            assert kafka.committed(group, source) in ({}, {0: 0})
            server.silent.clear()
            worker.await_sent(3)
            worker.await_committed(kafka, group, source, {0: 4})
            assert worker.pipeline().skipped == 1
            assert worker.stop() == ExitCode.OK
    assert [row["n"] for row in kafka.values(sink)] == [1, 2, 3]


@pytest.mark.slow
def test_a_worker_stops_where_it_must_not_trust_the_registry(
    kafka: Kafka, registry: Registry, papers: Papers
) -> None:
    source, sink = (kafka.create_topic(kafka.unique(n), 1) for n in ("in", "out"))
    kafka.produce(source, written(registry, source, [1]))
    group = kafka.unique("g")
    with proxy(registry, papers.context()) as server:
        given = options(server, papers.theirs, subject=source)

        def define(app: App) -> None:
            rows = app.stream(source, codec_type="avro", codec_options=given, **FAST)
            rows.to_kafka(app.broker, sink)

        with hosted(define, kafka=kafka, group=group) as worker:
            assert worker.ends() != ExitCode.OK
            assert "is not trusted" in str(worker.failure)
    assert kafka.committed(group, source) in ({}, {0: 0})


@pytest.mark.slow
def test_a_source_waits_for_a_silent_registry_and_skips_nothing(
    kafka: Kafka, registry: Registry
) -> None:
    source = kafka.create_topic(kafka.unique("in"), 1)
    kafka.produce(source, written(registry, source, [1, 2]))
    with proxy(registry) as server:
        server.silent.set()
        config = KafkaSourceConfig(
            kafka.bootstrap,
            source,
            kafka.unique("g"),
            codec_type="avro",
            codec_options=options(server, subject=source, schema_registry_timeout_seconds=0.2),
            auto_offset_reset="earliest",
            retry_backoff_seconds=0.01,
        )

        async def read() -> list[int]:
            async with KafkaSource(config).stream() as records, asyncio.timeout(20):
                first = asyncio.create_task(anext(records))
                await asyncio.to_thread(
                    until, lambda: server.hung >= 3, what="three requests without an answer"
                )
                assert not first.done()
                server.silent.clear()
                return [(await first).value["n"], (await anext(records)).value["n"]]

        assert asyncio.run(read()) == [1, 2]
