"""What all tests share: the real broker, a watch over leaked threads, the closing words."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sabot.testing import FaultProxy
from scripts import registry as registry_script
from scripts.kafka import Broker, KafkaUnavailableError, running
from tests.broker import Kafka

# As an installed one does it; twice does no harm.
pytest_plugins = ["sabot.testing.pytest_plugin"]

NO_BROKER = "no real Kafka broker: "
NO_REGISTRY = "no real schema registry: "
SERVICES = {NO_BROKER: "broker", NO_REGISTRY: "registry"}
skips = pytest.StashKey[Counter[str]]()

# Some machines are slow, which is no fault of the code; examples come from the seed that
# pytest prints.
settings.register_profile("sabot", deadline=None, database=None)
settings.load_profile("sabot")


def in_ci() -> bool:
    """Whether a missing broker is a failure."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A real broker, shared by all tests: take names from `Kafka.unique`.

    ``SABOT_TEST_KAFKA=host:port`` (and ``SABOT_TEST_KAFKA_SASL``) name one that runs
    already. It must not create topics on first use.
    """
    named = os.environ.get("SABOT_TEST_KAFKA")
    if named:
        yield Kafka(named, os.environ.get("SABOT_TEST_KAFKA_SASL"))
        return
    with own_broker() as broker:
        yield broker


@pytest.fixture
def kafka_of_its_own() -> Iterator[Kafka]:
    """A broker for this test alone, which creates topics on first use; takes 4 s."""
    with own_broker({"auto.create.topics.enable": "true"}) as broker:
        yield broker


@contextlib.contextmanager
def own_broker_process(
    changes: dict[str, str] | None = None,
) -> Iterator[tuple[Broker, Kafka]]:
    """Start a broker that a test may freeze or kill, with its process id."""
    with contextlib.ExitStack() as stack:
        # Bound without listening, so that nobody takes it while no proxy runs.
        held = stack.enter_context(socket.socket())
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        try:
            broker = stack.enter_context(running(changes, proxied_port=port))
        except KafkaUnavailableError as error:
            if in_ci():
                pytest.fail(f"{NO_BROKER}{error}", pytrace=False)
            pytest.skip(f"{NO_BROKER}{error}")
        yield (
            broker,
            Kafka(broker.bootstrap, broker.sasl_bootstrap, broker.behind_proxy, port),
        )


@contextlib.contextmanager
def own_broker(changes: dict[str, str] | None = None) -> Iterator[Kafka]:
    """Start a broker; where none can be had skip, and with ``CI`` set fail."""
    with own_broker_process(changes) as (_, kafka):
        yield kafka


@pytest.fixture(scope="session")
def kafka_behind_proxy(kafka: Kafka) -> Iterator[Kafka]:
    """The shared broker, or where that one knows no proxy (see `kafka`) another of our own."""
    if kafka.behind_proxy is not None:
        yield kafka
        return
    with own_broker() as broker:
        yield broker


@pytest.fixture
def proxy(kafka_behind_proxy: Kafka) -> Iterator[FaultProxy]:
    """A fault proxy before `kafka_behind_proxy`; clients of ``proxy.bootstrap`` keep to it."""
    assert kafka_behind_proxy.behind_proxy is not None
    with FaultProxy(kafka_behind_proxy.behind_proxy, kafka_behind_proxy.proxied_port) as started:
        yield started


@pytest.fixture(scope="session")
def registry() -> Iterator[registry_script.Registry]:
    """A real schema registry, shared by all tests: take subjects nobody else has.

    ``SABOT_TEST_REGISTRY=url`` names one that runs already.
    """
    named = os.environ.get("SABOT_TEST_REGISTRY")
    if named:
        yield registry_script.Registry(named, 0, Path())
        return
    with own_registry() as started:
        yield started


@contextlib.contextmanager
def own_registry(port: int | None = None) -> Iterator[registry_script.Registry]:
    """Start a registry; where none can be had skip, and with ``CI`` set fail."""
    with contextlib.ExitStack() as stack:
        try:
            started = stack.enter_context(registry_script.running(port=port))
        except registry_script.RegistryUnavailableError as error:
            if in_ci():
                pytest.fail(f"{NO_REGISTRY}{error}", pytrace=False)
            pytest.skip(f"{NO_REGISTRY}{error}")
        yield started


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    """Fail a test after which a thread of Sabot, or one that blocks exit, still runs."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    for thread in threading.enumerate():
        if thread in before or not (thread.name.startswith("sabot") or not thread.daemon):
            continue
        thread.join(max(0, deadline - time.monotonic()))
        assert not thread.is_alive(), f"thread {thread.name!r} still runs after the test"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real service, so that ``-m 'not broker'`` forgets nothing."""
    for item in items:
        if {"kafka", "kafka_of_its_own"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("broker")
        if "registry" in getattr(item, "fixturenames", ()):
            item.add_marker("registry")


def pytest_configure(config: pytest.Config) -> None:
    """Begin counting skips for want of a real service."""
    config.stash[skips] = Counter()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Count the skips for want of a real service, by reason."""
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        for service, named in SERVICES.items():
            if service in reason:
                config.stash[skips][f"{named} were skipped: {reason.partition(service)[2]}"] += 1


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say after everything else what was not tested."""
    lines = [
        f"NOT TESTED: {count} tests of the real {reason}"
        for reason, count in config.stash[skips].items()
    ]
    writer = config.get_terminal_writer()
    for line in lines:
        writer.line(line, red=True, bold=True)
    # scripts/test repeats them below its own last line.
    kept = os.environ.get("SABOT_TEST_SKIPS")
    if kept and lines:
        Path(kept).write_text("".join(f"{line}\n" for line in lines))
