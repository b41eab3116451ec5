"""``sabot run``: execute a script, then run the outputs it has defined."""

from __future__ import annotations

import sys
from typing import Any

import click

from sabot.cli.options import debug_option, log_options
from sabot.cli.serving import (
    drain_option,
    exit_code_table,
    guarantee_option,
    serve,
    state_options,
    worker_settings,
)
from sabot.kafka.guarantee import ProcessingGuarantee

__all__ = ["command"]


@click.command(
    "run",
    epilog=exit_code_table(),
    short_help="Execute a script and run its outputs.",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@drain_option
@guarantee_option
@state_options
@log_options
@debug_option
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(
    script: str,
    arguments: tuple[str, ...],
    drain_timeout: float | None,
    guarantee: ProcessingGuarantee | None,
    log_format: str,
    log_level: str,
    **options: Any,
) -> int:
    """Execute SCRIPT as `python SCRIPT` does, then run the outputs it defined.

    What the script has run itself, by sabot.run() or app.run(), is not run again.
    ARGUMENTS are the script's own; options of this command go before SCRIPT.

    \b
    Example:
      sabot run fraud.py
    """  # noqa: D301 - \b keeps the lines below it as they are
    from sabot.app.loader import load_target
    from sabot.errors import AppLoadError
    from sabot.logs import configure_logs

    file = script if script.endswith(".py") else script.rpartition(":")[0]
    if not file.endswith(".py"):
        raise AppLoadError(
            f"sabot run executes a file, and {script!r} is none; for a module use: "
            f"sabot worker {script}"
        )
    configure_logs(log_format, log_level)  # type: ignore[arg-type]
    sys.argv = [file, *arguments]
    target = load_target(script, as_main=True)
    settings = worker_settings(
        target, drain_timeout_seconds=drain_timeout, processing_guarantee=guarantee, **options
    )
    return serve(target, settings)
