"""``sabot send``: write a record."""

from __future__ import annotations

import json
from typing import Any

import click

from sabot.cli.options import broker_option, client_options, debug_option, refuse_embedded

__all__ = ["command"]


def _check_json(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        json.loads(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not JSON ({error}); quote it for the shell, such as '{{\"id\": 1}}'"
        ) from error
    return value


def _parse_headers(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, bytes | None]]:
    headers: list[tuple[str, bytes | None]] = []
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        headers.append((name, text.encode()))
    return headers


@click.command("send", short_help="Write a record to a topic.")
@click.argument("topic")
@click.argument("value", metavar="JSON", callback=_check_json)
@click.option("--key", envvar="SABOT_SEND_KEY", show_envvar=True, help="The record's key, as text.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    envvar="SABOT_SEND_HEADER",
    show_envvar=True,
    metavar="NAME=VALUE",
    callback=_parse_headers,
    help="A header; can be given more than once.",
)
@broker_option
@client_options
@debug_option
def command(
    topic: str,
    value: str,
    key: str | None,
    headers: list[tuple[str, bytes | None]],
    broker: str,
    properties: dict[str, Any],
) -> None:
    """Write one record to TOPIC and wait until it has arrived.

    JSON is written as given.

    \b
    Example:
      sabot send orders '{"id": 1, "amount": 2500.0}' --key customer-7
    """  # noqa: D301 - \b keeps the lines below it as they are
    from sabot.kafka.admin import send

    refuse_embedded(broker)
    partition, offset = send(
        broker,
        topic,
        value.encode(),
        key=None if key is None else key.encode(),
        headers=headers,
        properties=properties,
    )
    click.echo(f"{topic}[{partition}]@{offset}", err=True)
