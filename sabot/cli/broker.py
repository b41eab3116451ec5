"""``sabot broker``: the embedded broker, for other processes on this machine."""

from __future__ import annotations

import click

from sabot.cli.options import debug_option
from sabot.cli.stopping import StopSignal

__all__ = ["command"]


@click.command("broker", short_help="Host the embedded broker.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    envvar="SABOT_BROKER_PORT",
    show_envvar=True,
    default=9092,
    show_default=True,
    help="Where clients connect; 0 picks a free port.",
)
@debug_option
def command(port: int) -> None:
    """Host an embedded Kafka broker until Ctrl-C or SIGTERM.

    It is for development: everything is in memory and about 5 MB are kept of a partition,
    topics appear when they are first used, and only this machine can connect. Its address
    is printed on standard output once it listens.
    """
    from sabot.kafka.embedded import EmbeddedBroker

    with StopSignal() as stop, EmbeddedBroker(port) as broker:
        there = f"--broker {broker.bootstrap}"
        click.echo(broker.bootstrap)
        click.echo(
            "the embedded broker listens; in memory, for development; Ctrl-C ends it\n"
            f"  in another terminal:  sabot tail orders {there}\n"
            f"  and in a third:       sabot send orders '{{\"id\": 1}}' {there}",
            err=True,
        )
        stop.wait()
