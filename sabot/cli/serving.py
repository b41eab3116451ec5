"""What ``sabot worker`` and ``sabot run`` share: the greeting, the worker, the exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sabot.cli.failure import describe_failure
from sabot.kafka.guarantee import GUARANTEES, ProcessingGuarantee
from sabot.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from sabot.app.loader import Target

__all__ = ["drain_option", "exit_code_table", "greeting", "guarantee_option", "serve"]

Command = TypeVar("Command", bound=Callable[..., Any])

_MEANING = {
    ExitCode.OK: "stopped as asked, or all sources have ended",
    ExitCode.FAILED: "a pipeline could not go on; the log has the first cause",
    ExitCode.USAGE: "the command line or the configuration is not usable",
    ExitCode.LOAD: "the target could not be loaded",
    ExitCode.BROKER: "a broker, a topic or the credentials were not usable",
    ExitCode.DRAIN: "stopped, but work in hand was not finished in time",
    ExitCode.INTERRUPTED: "a second signal ended the process at once",
}


def exit_code_table() -> str:
    """Return the exit codes as the last paragraph of a ``--help``."""
    rows = [f"  {code.value:>3}  {code.name:<12} {_MEANING[code]}" for code in ExitCode]
    return "\b\nExit codes:\n" + "\n".join(rows)


def drain_option(command: Command) -> Command:
    """Add ``--drain-timeout``."""
    return click.option(
        "--drain-timeout",
        type=click.FloatRange(min=0),
        envvar="SABOT_DRAIN_TIMEOUT",
        show_envvar=True,
        metavar="SECONDS",
        help="How long a stop may take to finish what was read; the app's setting unless "
        "given, else 30.",
    )(command)


def guarantee_option(command: Command) -> Command:
    """Add ``--processing-guarantee``."""
    return click.option(
        "--processing-guarantee",
        "guarantee",
        type=click.Choice(GUARANTEES),
        envvar="SABOT_PROCESSING_GUARANTEE",
        show_envvar=True,
        help="What is promised of outputs; the app's setting unless given, else at_least_once.",
    )(command)


def serve(
    target: Target, drain_timeout: float | None, guarantee: ProcessingGuarantee | None = None
) -> int:
    """Say what is about to run, run it, and return the exit code."""
    from sabot.runtime.settings import WorkerSettings
    from sabot.runtime.worker import Worker

    tasks = target.tasks
    if not target.outputs and not tasks:
        click.echo(f"nothing left to run: {target.ran} output(s) ran already", err=True)
        return ExitCode.OK
    click.echo(greeting(target), err=True)
    settings = target.app.worker_settings() if target.app is not None else WorkerSettings()
    if guarantee is not None:
        settings = replace(settings, processing_guarantee=guarantee)
    if drain_timeout is not None:
        settings = replace(settings, drain_timeout_seconds=drain_timeout)
    worker = Worker(target.outputs, name=target.name, tasks=tasks, settings=settings)
    code = worker.run()
    if worker.failure is not None:
        click.echo(describe_failure(worker.failure), err=True)
    return code


def greeting(target: Target) -> str:
    """Return the id, the brokers and the pipelines of what is about to run."""
    from sabot import __version__
    from sabot.plan import explain

    what = "app" if target.app is not None else "id"
    lines = [f"sabot {__version__}, {what} {target.name!r}"]
    if target.app is not None:
        lines.append(f"broker {target.app.broker}")
    plan = explain([output.node for output in target.outputs])
    lines += [f"  {line}" for line in plan.splitlines()]
    return "\n".join(lines)
