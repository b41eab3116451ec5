"""Options that several commands share; each can come from the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = [
    "broker_option",
    "client_options",
    "debug_option",
    "log_options",
    "refuse_embedded",
    "wants_traceback",
]

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


def client_options(command: Command) -> Command:
    """Add ``--config``; the command gets ``properties``, each checked by the client."""
    return click.option(
        "--config",
        "properties",
        multiple=True,
        envvar="SABOT_CONFIG",
        show_envvar=True,
        metavar="KEY=VALUE|FILE",
        callback=_client_properties,
        help="A client property, such as security.protocol=SASL_SSL, or a file with one on each "
        "line; can be given more than once, the last of a name counts. A password belongs into "
        "a file: everybody on the machine can read a command line.",
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


def _client_properties(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    """Return what is given as properties that every client takes.

    Raises:
        BadParameter: If a file cannot be read, or a line is no property.
        ConfigurationError: If a property is unknown, not valid, or only for consumers or
            only for producers.
    """
    if not values:
        return {}
    from sabot.kafka.properties import shared_properties

    given: dict[str, str] = {}
    for value in values:
        lines, where = ([value], "--config") if "=" in value else (_lines(value), repr(value))
        given |= dict(_pairs(lines, where))
    return shared_properties(given)


def _lines(file: str) -> list[str]:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(
            f"{file!r} is neither KEY=VALUE nor a file that can be read: {error}"
        ) from error
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _pairs(lines: Iterable[str], where: str) -> Iterable[tuple[str, str]]:
    for line in lines:
        name, equals, value = line.partition("=")
        if not name.strip() or not equals:
            # Without its text: it may be a password.
            raise click.BadParameter(f"a line of {where} is not KEY=VALUE")
        yield name.strip(), value.strip()


def wants_traceback(context: click.Context) -> bool:
    """Whether ``--debug`` was given to the command that ran in this context."""
    return bool(context.meta.get(_TRACEBACK))


def _remember(context: click.Context, _option: click.Parameter, value: bool) -> None:
    # The root context and those below it share this.
    context.meta[_TRACEBACK] = value
