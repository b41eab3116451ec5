"""``sabot demo``: the fraud example on the embedded broker, with a count at the end."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sabot.cli.failure import describe_failure
from sabot.cli.options import debug_option
from sabot.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from sabot.runtime.statistics import WorkerStatistics
    from sabot.runtime.worker import Worker

__all__ = ["command"]

_RATE = 2000
_COUNTABLE = 60_000
"""Transactions the embedded broker surely keeps: 140 bytes each, 5 MB per partition."""

_PATIENCE_SECONDS = 15.0


@click.command("demo", short_help="Run the fraud example with a live table.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    envvar="SABOT_DEMO_SECONDS",
    show_envvar=True,
    default=20.0,
    show_default=True,
    help="How long transactions are written.",
)
@debug_option
def command(seconds: float) -> int:
    """Watch records flow through a real Kafka protocol; nothing else needs to run.

    Starts the embedded broker, runs examples/fraud in this process and shows records per
    second. Then it stops writing, lets the pipelines finish, and counts in the topics
    whether what came out is what should have. Long demos write more slowly, so that the
    broker still holds all of it for the count. Ctrl-C ends it early.
    """
    try:
        return _demo(seconds)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        return ExitCode.OK


def _demo(seconds: float) -> int:
    _find_examples()
    rate = min(_RATE, _COUNTABLE / seconds)
    os.environ.update(SABOT_BROKER="embedded://", FRAUD_SECONDS=str(seconds), FRAUD_RATE=str(rate))
    click.echo(
        f"starting the embedded broker and examples/fraud, {rate:,.0f} transactions/s; "
        "the group has its partitions after about 3 s ..."
    )

    from sabot.app.loader import load_target
    from sabot.console.live import LiveView
    from sabot.console.screen import Screen
    from sabot.kafka.embedded import stop_embedded
    from sabot.logs import configure_logs
    from sabot.runtime.settings import WorkerSettings
    from sabot.runtime.worker import Worker

    # Anything less would run through the table.
    # Its broker forgets everything at the end, which is no warning to anybody here.
    configure_logs("auto", "error")
    target = load_target("examples.fraud.app:app")
    worker = Worker(target.outputs, name=target.name, tasks=target.tasks, settings=WorkerSettings())
    end = _End(worker, import_module("examples.fraud.app").generator)
    watched = {"flagged": "to_kafka:flagged-transactions"}
    try:
        with LiveView(worker.statistics, Screen(sys.stdout), watched, looked=end.consider):
            code = worker.run()
        if code != ExitCode.OK:
            if worker.failure is not None:
                click.echo(describe_failure(worker.failure), err=True)
            return code
        return _summary(worker, complete=end.reached)
    finally:
        stop_embedded()


class _End:
    """Asks the worker to stop when everything has been written and read.

    Attributes:
        reached: Whether it has asked; the worker may also be stopped by Ctrl-C.
    """

    def __init__(self, worker: Worker, generator: Any) -> None:
        self.reached = False
        self._worker = worker
        self._generator = generator
        self._done_at: float | None = None

    def consider(self, now: WorkerStatistics) -> None:
        if self.reached or not self._generator.done or now.state != "running":
            return
        if self._done_at is None:
            self._done_at = now.seconds
        written = self._generator.written
        finished = all(pipeline.records_in >= written for pipeline in now.pipelines)
        if finished or now.seconds - self._done_at > _PATIENCE_SECONDS:
            self.reached = True
            self._worker.request_stop("the demo is over")


def _summary(worker: Worker, *, complete: bool) -> int:
    example = import_module("examples.fraud.app")
    audit = import_module("examples.fraud.audit")
    click.echo("\ncounted in the topics, by a consumer of its own:")
    account = audit.audit("embedded://", worker.statistics().committed)
    for text in account.lines():
        click.echo(text)
    busiest = example.merchants.most_common(1)
    if busiest:
        name, count = busiest[0]
        click.echo(
            f"the agent saw {example.merchants.total():,} transactions of "
            f"{len(example.merchants)} merchants; the busiest, {name}, had {count:,}"
        )
    faults = account.faults(complete=complete)
    if faults:
        click.echo("it does not add up:\n" + "\n".join(f"  {fault}" for fault in faults))
        return ExitCode.FAILED
    click.echo("it adds up" if complete else "stopped early; what was read adds up")
    return ExitCode.OK


def _find_examples() -> None:
    """Put the folder that holds ``examples/`` on the path.

    Raises:
        ConfigurationError: Where Sabot was installed without them.
    """
    from sabot.errors import ConfigurationError

    root = Path(__file__).resolve().parents[2]
    if not (root / "examples" / "fraud" / "app.py").is_file():
        raise ConfigurationError(
            "the demo runs examples/fraud, which is part of the project and not of the "
            "installed package; clone the project and use: make demo"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
