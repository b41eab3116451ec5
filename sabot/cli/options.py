"""Options that several commands share; each can come from the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["broker_option", "debug_option", "log_options", "refuse_embedded", "wants_traceback"]

Command = TypeVar("Command", bound=Callable[..., Any])

_TRACEBACK = "sabot.cli.traceback"


def broker_option(command: Command) -> Command:
    """Add ``--broker``."""
    return click.option(
        "--broker",
        envvar="SABOT_BROKER",
        show_envvar=True,
        default="localhost:9092",
        show_default=True,
        metavar="HOST:PORT",
        help="The Kafka cluster.",
    )(command)


def debug_option(command: Command) -> Command:
    """Add ``--debug``; its value is asked for by `wants_traceback`."""
    return click.option(
        "--debug",
        is_flag=True,
        envvar="SABOT_DEBUG",
        show_envvar=True,
        expose_value=False,
        callback=_remember,
        help="Show the traceback of a failure.",
    )(command)


def log_options(command: Command) -> Command:
    """Add ``--log-format`` and ``--log-level``."""
    with_level = click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False),
        envvar="SABOT_LOG_LEVEL",
        show_envvar=True,
        default="info",
        show_default=True,
        help="The least level that is logged.",
    )(command)
    return click.option(
        "--log-format",
        type=click.Choice(["auto", "console", "json"]),
        envvar="SABOT_LOG_FORMAT",
        show_envvar=True,
        default="auto",
        show_default=True,
        help="Logs for people or as JSON lines; auto asks whether this is a terminal.",
    )(with_level)


def refuse_embedded(broker: str) -> None:
    """Refuse an address that would mean a broker inside this short-lived command.

    Raises:
        ConfigurationError: If it does.
    """
    from sabot.errors import ConfigurationError

    if broker.startswith("embedded:"):
        raise ConfigurationError(
            f"broker is {broker!r}, which would live only as long as this command; start one "
            "with `sabot broker` and give its address"
        )


def wants_traceback(context: click.Context) -> bool:
    """Whether ``--debug`` was given to the command that ran in this context."""
    return bool(context.meta.get(_TRACEBACK))


def _remember(context: click.Context, _option: click.Parameter, value: bool) -> None:
    # The root context and those below it share this.
    context.meta[_TRACEBACK] = value
