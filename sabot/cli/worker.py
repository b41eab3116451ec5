"""``sabot worker``: run an app, or the outputs of a module or file, in one process or more."""

from __future__ import annotations

import os
from typing import Any

import click

from sabot.cli.options import debug_option, log_options, wants_traceback
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
    "worker",
    epilog=exit_code_table(),
    short_help="Run an app or a module's outputs.",
)
@click.argument("target")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    envvar="SABOT_WORKERS",
    show_envvar=True,
    default=1,
    show_default=True,
    metavar="N",
    help="How many processes share the work; one that dies is started again.",
)
@click.option(
    "--slot",
    envvar="SABOT_SLOT",
    show_envvar=True,
    metavar="NAME",
    help="A name that this worker has again after a restart and no other one of the app has; "
    "each of several gets its number behind it.",
)
@click.option(
    "--static-membership",
    is_flag=True,
    default=None,
    envvar="SABOT_STATIC_MEMBERSHIP",
    show_envvar=True,
    help="Join as ID-SLOT, so that a quick restart moves no partitions; without --slot the "
    "machine's name is the slot.",
)
@click.option(
    "--web-port",
    type=click.IntRange(0, 65535),
    envvar="SABOT_WEB_PORT",
    show_envvar=True,
    help="Answer probes at /health and /ready, and statistics at /; 0 picks a free port.",
)
@click.option(
    "--web-host",
    envvar="SABOT_WEB_HOST",
    show_envvar=True,
    metavar="ADDRESS",
    help="The address to answer at; 127.0.0.1 unless given, and there is no login.",
)
@drain_option
@guarantee_option
@state_options
@log_options
@debug_option
@click.pass_context
def command(
    context: click.Context,
    /,
    target: str,
    workers: int,
    log_format: str,
    log_level: str,
    drain_timeout: float | None,
    guarantee: ProcessingGuarantee | None,
    **options: Any,
) -> int:
    """Run what TARGET defines, until its sources end or a signal comes.

    TARGET is `module:app`, `module`, `file.py` or `file.py:app`; modules are looked for in
    the current folder first. SIGTERM and Ctrl-C drain: nothing more is read, what was read
    is finished and committed. A second signal ends the process at once.

    \b
    Examples:
      sabot worker shop.app:app
      sabot worker shop.app:app --workers 4 --web-port 6066
      sabot worker pipelines/orders.py --log-format json
    """  # noqa: D301 - \b keeps the lines below it as they are
    from sabot.app.loader import load_target
    from sabot.logs import configure_logs
    from sabot.runtime.parent import NUMBER

    number = os.environ.get(NUMBER)
    configure_logs(log_format, log_level, worker=int(number) if number else None)  # type: ignore[arg-type]
    loaded = load_target(target)
    settings = worker_settings(
        loaded, drain_timeout_seconds=drain_timeout, processing_guarantee=guarantee, **options
    )
    if workers == 1:
        return serve(loaded, settings)
    from sabot.cli.several import serve_several

    arguments = [target, "--log-format", log_format, "--log-level", log_level]
    arguments += ["--debug"] if wants_traceback(context) else []
    return serve_several(loaded, settings, workers, arguments)
