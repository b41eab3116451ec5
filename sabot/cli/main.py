"""The command ``sabot``: its subcommands are imported when they are asked for.

What is said to people goes to standard error, data goes to standard output, and a failure
prints its chain of causes instead of a traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from sabot import __version__
from sabot.cli.failure import describe_failure, exit_code_of, traceback_text
from sabot.cli.options import wants_traceback
from sabot.runtime.exit_codes import ExitCode

__all__ = ["COMMANDS", "group", "main"]

COMMANDS = ("worker", "run", "broker", "send", "tail", "dlq", "reset-offsets", "explain", "demo")
"""In the order of ``--help``; each is `command` of the module of that name, ``-`` being ``_``."""


class _LazyGroup(click.Group):
    """A group whose subcommands are modules, imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"sabot.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from sabot.errors import nearest

        given = args[0] if args else ""
        if given and not given.startswith("-") and given not in COMMANDS:
            ctx.fail(f"no such command {given!r}{nearest(given, COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(
    "sabot",
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The first five minutes: `sabot demo`, or `sabot broker` in one terminal and "
    "`sabot tail orders`, `sabot send orders '{\"id\": 1}'` in two others.",
)
@click.version_option(__version__, prog_name="sabot")
def group() -> None:
    """Stream processing on Kafka: columnar pipelines and agents in supervised workers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: Without the program's name; ``sys.argv`` unless given.
    """
    _never_fail_to_print()
    context: click.Context | None = None
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        context = group.make_context("sabot", given)
        with context:
            outcome = group.invoke(context)
        return outcome if isinstance(outcome, int) else ExitCode.OK
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except click.ClickException as mistake:
        mistake.show()
        return mistake.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away (`sabot tail orders | head`), which is no failure;
        # and the interpreter must not fail in flushing to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the one place where a failure becomes words
        return _fail(error, traceback=context is not None and wants_traceback(context))


def _fail(error: Exception, *, traceback: bool) -> int:
    if traceback:
        click.echo(traceback_text(error), err=True, nl=False)
    click.echo(describe_failure(error, hint=not traceback), err=True)
    return exit_code_of(error)


def _never_fail_to_print() -> None:
    """Let a terminal that lacks a character show another one instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
