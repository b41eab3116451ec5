"""``sabot worker``: run an app, or the outputs of a module or file."""

from __future__ import annotations

import click

from sabot.cli.options import debug_option, log_options
from sabot.cli.serving import drain_option, exit_code_table, guarantee_option, serve
from sabot.kafka.guarantee import ProcessingGuarantee

__all__ = ["command"]


@click.command(
    "worker",
    epilog=exit_code_table(),
    short_help="Run an app or a module's outputs.",
)
@click.argument("target")
@drain_option
@guarantee_option
@log_options
@debug_option
def command(
    target: str,
    drain_timeout: float | None,
    guarantee: ProcessingGuarantee | None,
    log_format: str,
    log_level: str,
) -> int:
    """Run what TARGET defines, until its sources end or a signal comes.

    TARGET is `module:app`, `module`, `file.py` or `file.py:app`; modules are looked for in
    the current folder first. SIGTERM and Ctrl-C drain: nothing more is read, what was read
    is finished and committed. A second signal ends the process at once.

    \b
    Examples:
      sabot worker shop.app:app
      sabot worker pipelines/orders.py --log-format json
    """  # noqa: D301 - \b keeps the lines below it as they are
    from sabot.app.loader import load_target
    from sabot.logs import configure_logs

    configure_logs(log_format, log_level)  # type: ignore[arg-type]
    return serve(load_target(target), drain_timeout, guarantee)
