"""What ``sabot worker`` and ``sabot run`` share: the greeting, the worker, the exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sabot.cli.failure import describe_failure
from sabot.kafka.guarantee import GUARANTEES
from sabot.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from sabot.app.loader import Target
    from sabot.runtime.settings import WorkerSettings

__all__ = [
    "drain_option",
    "exit_code_table",
    "greeting",
    "guarantee_option",
    "nothing_left",
    "serve",
    "state_options",
    "worker_settings",
]

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


STATE_OPTIONS = {"state_dir": "directory", "state": "policy"}
"""Options that are fields of the state's settings."""


def state_options(command: Command) -> Command:
    """Add ``--state-dir`` and ``--state``."""
    with_policy = click.option(
        "--state",
        type=click.Choice(["refuse", "keep", "rebuild"]),
        envvar="SABOT_STATE",
        show_envvar=True,
        help="What to do with state that no commit speaks of, as after a reset of offsets; "
        "refuse unless given.",
    )(command)
    return click.option(
        "--state-dir",
        type=click.Path(file_okay=False),
        envvar="SABOT_STATE_DIR",
        show_envvar=True,
        help="The folder of state on disk; the app's setting unless given, else sabot-state.",
    )(with_policy)


def worker_settings(target: Target, **changes: Any) -> WorkerSettings:
    """Return the settings of the target's app, with those changes that are not ``None``.

    Raises:
        ConfigurationError: If a value is not usable.
    """
    from sabot.runtime.settings import WorkerSettings

    settings = WorkerSettings() if target.app is None else target.app.worker_settings()
    given = {name: each for name, each in changes.items() if each is not None}
    state = {STATE_OPTIONS[name]: given.pop(name) for name in list(given) if name in STATE_OPTIONS}
    if state:
        given["state"] = replace(settings.state, **state)
    return replace(settings, **given)


def serve(target: Target, settings: WorkerSettings | None = None) -> int:
    """Say what is about to run, run it, and return the exit code.

    A worker of several says nothing but logs: its parent speaks for it, and hears of it.
    """
    from sabot.runtime.parent import ParentLink, Report, take_descriptor
    from sabot.runtime.settings import WorkerSettings
    from sabot.runtime.worker import Worker

    tasks = target.tasks
    if nothing_left(target):
        return ExitCode.OK
    app = target.app
    actors = app.declared_actors if app is not None else ()
    descriptor = take_descriptor()
    if descriptor is not None:
        settings = replace(settings or WorkerSettings(), web_port=None)
    worker = Worker(target.outputs, name=target.name, tasks=tasks, actors=actors, settings=settings)
    if app is not None:
        app.hosted_by(worker)

    def report() -> Report:
        failure = None if worker.failure is None else describe_failure(worker.failure)
        return Report(worker.health(), worker.readiness(), worker.statistics(), failure)

    if descriptor is None:
        click.echo(greeting(target), err=True)
        code = worker.run()
    else:
        gone = "the parent is gone"
        link = ParentLink(descriptor, report, lambda: worker.request_stop(gone)).start()
        code = worker.run()
        link.close()
    if worker.failure is not None:
        click.echo(describe_failure(worker.failure), err=True)
    return code


def nothing_left(target: Target) -> bool:
    """Whether there is nothing to run, which is said."""
    if target.outputs or target.tasks:
        return False
    click.echo(f"nothing left to run: {target.ran} output(s) ran already", err=True)
    return True


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
