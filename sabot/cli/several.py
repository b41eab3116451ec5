"""What ``sabot worker --workers N`` does beside starting processes."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from sabot.cli.serving import greeting, nothing_left
from sabot.errors import ConfigurationError
from sabot.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from sabot.app.loader import Target
    from sabot.runtime.pool import WorkerPool
    from sabot.runtime.settings import WorkerSettings

__all__ = ["serve_several"]


def serve_several(
    target: Target, settings: WorkerSettings, count: int, arguments: Sequence[str]
) -> int:
    """Run a number of workers in processes of their own, and answer probes for all.

    Args:
        target: What they run; each of them loads it again for itself.
        settings: Theirs, as far as the command line says more than the app.
        count: How many.
        arguments: Of ``sabot worker``, beside those that ``settings`` tell.

    Raises:
        ConfigurationError: On Windows.
    """
    from sabot.runtime.pool import WorkerPool

    if os.name != "posix":
        raise ConfigurationError(
            "--workers is for Linux and macOS; start the command several times instead"
        )
    if nothing_left(target):
        return ExitCode.OK
    click.echo(f"{greeting(target)}\n{count} workers", err=True)

    def command(number: int) -> list[str]:
        return [sys.executable, "-m", "sabot", "worker", *arguments, *_options(settings, number)]

    with ExitStack() as stack:
        environment = stack.enter_context(_embedded_broker(target))
        # What is meant for this process alone must not reach those it starts.
        environment |= {"SABOT_WORKERS": "1"}
        pool = WorkerPool(command, count, settings=settings, environment=environment)
        stack.enter_context(_probes(pool, settings))
        return pool.run()


def _options(settings: WorkerSettings, number: int) -> list[str]:
    """Return the options that give a worker its own place."""
    slot = settings.slot
    if slot is None and settings.static_membership:
        slot = socket.gethostname()
    options = ["--slot", str(number) if slot is None else f"{slot}-{number}"]
    options += ["--drain-timeout", f"{settings.drain_timeout_seconds:g}"]
    if settings.static_membership:
        options.append("--static-membership")
    return options


@contextmanager
def _probes(pool: WorkerPool, settings: WorkerSettings) -> Iterator[None]:
    from sabot.web import WebServer, probe_pages

    if settings.web_port is None:
        yield
        return
    pages = probe_pages(health=pool.health, ready=pool.readiness, statistics=pool.statistics)
    with WebServer(pages, host=settings.web_host, port=settings.web_port) as server:
        click.echo(f"probes are answered at {settings.web_host}:{server.port}", err=True)
        yield


@contextmanager
def _embedded_broker(target: Target) -> Iterator[dict[str, str]]:
    """Host the embedded broker for all, where the target reads or writes one."""
    from sabot.kafka.embedded import ADDRESS_VARIABLE, EmbeddedBroker, is_embedded
    from sabot.plan.nodes import ancestors

    ends = [
        getattr(node, end, None)
        for output in target.outputs
        for node in ancestors(output.node)
        for end in ("source", "sink")
    ]
    if not any(is_embedded(str(getattr(end, "bootstrap_servers", ""))) for end in ends):
        yield {}
        return
    with EmbeddedBroker(0) as broker:
        yield {ADDRESS_VARIABLE: broker.bootstrap}
