"""``sabot tail``: print records as they come."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import click

from sabot.cli.options import broker_option, client_options, debug_option, refuse_embedded

if TYPE_CHECKING:
    from sabot.types import Record

__all__ = ["as_json", "as_text", "command"]


@click.command("tail", short_help="Print a topic's records as they come.")
@click.argument("topic")
@click.option(
    "--from-beginning",
    is_flag=True,
    envvar="SABOT_TAIL_FROM_BEGINNING",
    show_envvar=True,
    help="Start with the oldest record instead of the next one.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    envvar="SABOT_TAIL_LIMIT",
    show_envvar=True,
    help="End after so many records.",
)
@click.option(
    "--json",
    "whole",
    is_flag=True,
    envvar="SABOT_TAIL_JSON",
    show_envvar=True,
    help="One JSON object per record, with topic, key, headers and timestamp.",
)
@broker_option
@client_options
@debug_option
def command(
    topic: str,
    from_beginning: bool,
    limit: int | None,
    whole: bool,
    broker: str,
    properties: dict[str, Any],
) -> int:
    """Print TOPIC's records, oldest first within a partition, until Ctrl-C.

    It joins no consumer group and commits nothing. Each line has the place, the key and
    the value; what is not text is shown as base64.
    """
    from sabot.kafka.admin import tail
    from sabot.runtime.exit_codes import ExitCode

    refuse_embedded(broker)
    show = as_json if whole else as_text
    start = "the beginning" if from_beginning else "the end"
    click.echo(f"{topic!r} at {broker}: reading from {start}; Ctrl-C ends it", err=True)
    try:
        for record in tail(
            broker, topic, from_beginning=from_beginning, limit=limit, properties=properties
        ):
            click.echo(show(record))
    except KeyboardInterrupt:
        # The way it is meant to end.
        return ExitCode.OK
    return ExitCode.OK


def as_text(record: Record) -> str:
    """Return a record as one line: place, key, value.

    A record of several lines stays one: what breaks lines is escaped.
    """
    value = "(tombstone)" if record.value is None else _printable(record.value)
    key = "-" if record.key is None else _printable(record.key)
    return f"{record.topic}[{record.partition}]@{record.offset}  {key}  {value}"


def as_json(record: Record) -> str:
    """Return a record as one JSON object; a value that is JSON stands in it as it is."""
    return json.dumps(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": _text(record.key),
            "headers": [[name, _text(value)] for name, value in record.headers],
            "value": _value(record.value),
        },
        ensure_ascii=False,
    )


def _value(data: bytes | None) -> Any:
    if data is None:
        return None
    try:
        return json.loads(data, parse_constant=_refuse)
    except ValueError:
        return _text(data)


def _refuse(name: str) -> Any:
    # NaN would be read and written again, but it is no JSON.
    raise ValueError(name)


def _text(data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(data).decode()}"


def _printable(data: bytes) -> str:
    text = str(_text(data))
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
