"""What ``sabot worker --workers N`` does beside starting processes."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

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
        options = _options(settings, number, instance=_has_instances(target))
        return [sys.executable, "-m", "sabot", "worker", *arguments, *options]

    with ExitStack() as stack:
        environment = stack.enter_context(_embedded_broker(target))
        # What is meant for this process alone must not reach those it starts.
        environment |= {"SABOT_WORKERS": "1"}
        pool = WorkerPool(command, count, settings=settings, environment=environment)
        stack.enter_context(_probes(pool, settings))
        return pool.run()


def _options(settings: WorkerSettings, number: int, *, instance: bool) -> list[str]:
    """Return the options that one worker gets: its own place, and what the others get, too.

    It has no name unless the user wants one: a number alone would be that of a worker on
    another machine, whose transactions it would end.
    """
    slot = settings.slot
    if slot is None and (settings.static_membership or instance):
        slot = socket.gethostname()
    options = [] if slot is None else ["--slot", f"{slot}-{number}"]
    options += ["--drain-timeout", f"{settings.drain_timeout_seconds:g}"]
    options += ["--state-dir", str(settings.state.directory), "--state", settings.state.policy]
    if settings.processing_guarantee is not None:
        options += ["--processing-guarantee", settings.processing_guarantee]
    if settings.static_membership:
        options.append("--static-membership")
    return options


def _has_instances(target: Target) -> bool:
    """Whether a source has a ``group_instance_id``, which no two workers may share."""
    return any(
        "group.instance.id" in source.client_properties()
        for source in _places(target, "source")
        if hasattr(source, "client_properties")
    )


def _places(target: Target, *kinds: str) -> list[Any]:
    """Return what the target reads or writes."""
    from sabot.plan.nodes import ancestors

    nodes = (node for output in target.outputs for node in ancestors(output.node))
    found = (getattr(node, kind, None) for node in nodes for kind in kinds)
    return [place for place in found if place is not None]


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

    places = _places(target, "source", "sink")
    if not any(is_embedded(str(getattr(place, "bootstrap_servers", ""))) for place in places):
        yield {}
        return
    with EmbeddedBroker(0) as broker:
        yield {ADDRESS_VARIABLE: broker.bootstrap}
