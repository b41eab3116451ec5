"""``sabot dlq``: what is in a dead-letter topic, and sending it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sabot.cli.letter_text import full_text, table
from sabot.cli.options import broker_option, debug_option, refuse_embedded
from sabot.cli.where import parse_where

if TYPE_CHECKING:
    from sabot.kafka.dead_letters import Letter

__all__ = ["command"]

NAMES = (
    "error",
    "error_class",
    "message",
    "step",
    "topic",
    "partition",
    "offset",
    "key",
    "attempt",
    "replays",
    "application",
    "age",
)
"""What ``--where`` may name."""

Command = TypeVar("Command", bound=Callable[..., Any])


def _shared(command: Command) -> Command:
    """Add the options that all of them have."""
    command = click.argument("topic")(broker_option(debug_option(command)))
    return click.option(
        "--where",
        envvar="SABOT_DLQ_WHERE",
        show_envvar=True,
        metavar="EXPR",
        help="Only those this holds for, such as \"step == 'map-1' and age < 3600\". Names: "
        + ", ".join(NAMES)
        + ".",
    )(command)


def _limit(default: int | None) -> Callable[[Command], Command]:
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=default,
        show_default=default is not None,
        envvar="SABOT_DLQ_LIMIT",
        show_envvar=True,
        help="At most so many.",
    )


@click.group("dlq", short_help="Look at dead letters, and send them back.")
def command() -> None:
    """Look at the records in a dead-letter topic, and send them back.

    It joins no consumer group and commits nothing; dead letters stay in their topic.
    """


@command.command("ls", short_help="Count dead letters by error and step.")
@_shared
@_limit(None)
def ls(topic: str, where: str | None, limit: int | None, broker: str) -> None:
    """Count TOPIC's dead letters by error, step and source topic."""
    from sabot.kafka.dead_letters import tally

    found = tally(_letters(broker, topic, where, limit))
    total = sum(each.count for each in found.values())
    click.echo(f"{topic!r} at {broker}: {total} dead letters", err=True)
    if found:
        click.echo(table(found))


@command.command("show", short_help="Print dead letters in full.")
@_shared
@_limit(1)
def show(topic: str, where: str | None, limit: int, broker: str) -> None:
    """Print TOPIC's dead letters in full; a value that is no text as a hex dump."""
    count = 0
    for letter in _letters(broker, topic, where, limit):
        click.echo(full_text(letter))
        count += 1
    if count == 0:
        click.echo(f"{topic!r} at {broker}: no such dead letter", err=True)


@command.command("replay", short_help="Send dead letters back.")
@_shared
@_limit(None)
@click.option(
    "--to",
    envvar="SABOT_DLQ_TO",
    show_envvar=True,
    metavar="TOPIC",
    help="Where to; unless given, the topic SOURCE-retry-APPLICATION.",
)
@click.option(
    "--to-source",
    is_flag=True,
    envvar="SABOT_DLQ_TO_SOURCE",
    show_envvar=True,
    help="To the topic each came from, where every step and every other reader sees it again.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    envvar="SABOT_DLQ_MAX_ATTEMPTS",
    show_envvar=True,
    help="Leave alone what was replayed so often.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    envvar="SABOT_DLQ_DRY_RUN",
    show_envvar=True,
    help="Only print what would be sent where.",
)
def replay(topic: str, broker: str, dry_run: bool, **options: Any) -> None:
    """Send TOPIC's dead letters back with their own key, value, headers and timestamp.

    A source with retry_topic=... reads them there, and only the outputs behind the step
    that failed see them again. What was replayed stays in TOPIC, and is replayed again the
    next time unless --where leaves it out.
    """
    from sabot.kafka.replay import ReplayRoute

    route = ReplayRoute(options["to"], options["to_source"], options["max_attempts"])
    where, limit = options["where"], options["limit"]
    targets: dict[str, int] = {}
    for letter in _letters(broker, topic, where, limit):
        reason = route.refusal(letter)
        if reason is not None:
            click.echo(f"left alone: {_line(letter)} ({reason})", err=True)
            continue
        target = route.target(letter)
        targets[target] = targets.get(target, 0) + 1
        if dry_run:
            click.echo(f"{_line(letter)} -> {target}")
    listed = ", ".join(f"{count} to {target!r}" for target, count in sorted(targets.items()))
    if dry_run or not targets:
        click.echo(f"would replay {listed}" if targets else "nothing to replay", err=True)
        return
    arrived = _send(broker, route, set(targets), _letters(broker, topic, where, limit))
    click.echo(f"replayed {arrived} dead letters: {listed}", err=True)


def _send(broker: str, route: Any, targets: set[str], letters: Iterator[Letter]) -> int:
    from sabot.kafka.replay import Replay

    replay = Replay(broker, route)
    replay.check_targets(sorted(targets))
    for letter in letters:
        # One that came since the targets were checked may have another.
        if route.refusal(letter) is None and route.target(letter) in targets:
            replay.send(letter)
    return replay.finish()


def _letters(broker: str, topic: str, where: str | None, limit: int | None) -> Iterator[Letter]:
    from sabot.kafka.admin import read_through
    from sabot.kafka.dead_letters import letter_of

    refuse_embedded(broker)
    condition = None if where is None else parse_where(where, NAMES)
    letters = map(letter_of, read_through(broker, topic))
    chosen = (each for each in letters if condition is None or condition(_values(each)))
    return islice(chosen, limit)


def _values(letter: Letter) -> dict[str, Any]:
    """Return what ``--where`` compares."""
    key, written = letter.record.key, letter.record.timestamp
    return {
        "error": letter.error,
        "error_class": letter.error_class,
        "message": letter.error_message,
        "step": letter.step,
        "topic": None if letter.source is None else letter.source.topic,
        "partition": None if letter.source is None else letter.source.partition,
        "offset": letter.offset,
        "key": None if key is None else key.decode("utf-8", "backslashreplace"),
        "attempt": letter.attempt,
        "replays": letter.replays,
        "application": letter.application,
        "age": None if written is None else time.time() - written / 1000,
    }


def _line(letter: Letter) -> str:
    return f"{letter.where}  {letter.step}  {letter.error}"
