"""``sabot explain``: print the plan of a target without running it."""

from __future__ import annotations

import click

from sabot.cli.options import debug_option

__all__ = ["command"]


@click.command("explain", short_help="Print what a target would run.")
@click.argument("target")
@debug_option
def command(target: str) -> None:
    """Print the pipelines that TARGET defines: sources, steps and sinks.

    TARGET is written as for `sabot worker`. It is loaded, and nothing in it is run; no
    broker is needed.
    """
    from sabot.app.loader import load_target
    from sabot.plan import explain

    found = load_target(target)
    click.echo(explain([output.node for output in found.outputs]))
