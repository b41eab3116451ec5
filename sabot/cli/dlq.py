"""``sabot dlq``: what is in a dead-letter topic, and sending it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sabot.cli.letter_text import full_text, table
from sabot.cli.options import broker_option, client_options, debug_option, refuse_embedded
from sabot.cli.where import parse_where

if TYPE_CHECKING:
    from sabot.kafka.dead_letters import Letter
    from sabot.kafka.replay import Replay, ReplayRoute
    from sabot.kafka.replay_ledger import ReplayLedger

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
    command = click.argument("topic")(broker_option(client_options(debug_option(command))))
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

    It joins no consumer group; dead letters stay in their topic. What was replayed is
    remembered in a topic beside it, TOPIC-sabot-replayed.
    """


@command.command("ls", short_help="Count dead letters by error and step.")
@_shared
@_limit(None)
def ls(
    topic: str, where: str | None, limit: int | None, broker: str, properties: dict[str, Any]
) -> None:
    """Count TOPIC's dead letters by error, step and source topic, and those replayed."""
    from sabot.kafka.dead_letters import tally

    letters = _letters(broker, properties, topic, where, limit)
    ledger = _ledger(broker, properties, topic, again=True)
    found = tally(letters) if ledger is None else tally(letters, ledger.has_any)
    total = sum(each.count for each in found.values())
    click.echo(f"{topic!r} at {broker}: {total} dead letters", err=True)
    if found:
        click.echo(table(found))


@command.command("show", short_help="Print dead letters in full.")
@_shared
@_limit(1)
def show(
    topic: str, where: str | None, limit: int, broker: str, properties: dict[str, Any]
) -> None:
    """Print TOPIC's dead letters in full; a value that is no text as a hex dump."""
    count = 0
    for letter in _letters(broker, properties, topic, where, limit):
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
    "--again",
    is_flag=True,
    envvar="SABOT_DLQ_AGAIN",
    show_envvar=True,
    help="Also what was replayed to its target before.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    envvar="SABOT_DLQ_DRY_RUN",
    show_envvar=True,
    help="Only print what would be sent where, and remember nothing.",
)
def replay(
    topic: str, broker: str, properties: dict[str, Any], dry_run: bool, **options: Any
) -> None:
    """Send TOPIC's dead letters back with their own key, value, headers and timestamp.

    A source with retry_topic=... reads them there, and only the outputs behind the step
    that failed see them again. What was replayed stays in TOPIC, and the next replay to the
    same target leaves it out; one that fails again comes back as a new dead letter.
    """
    from sabot.kafka.replay import Replay, ReplayRoute

    route = ReplayRoute(options["to"], options["to_source"], options["max_attempts"])
    where, limit, again = options["where"], options["limit"], options["again"]
    refuse_embedded(broker)
    ledger = _ledger(broker, properties, topic, again=again)
    before = [0]

    def chosen(say: Callable[[str], None]) -> Iterator[tuple[Letter, str]]:
        letters = _letters(broker, properties, topic, where, None)
        due = _due(letters, route, None if again else ledger, before, say)
        return islice(due, limit)

    targets: dict[str, int] = {}
    for letter, target in chosen(lambda line: click.echo(line, err=True)):
        targets[target] = targets.get(target, 0) + 1
        if dry_run:
            click.echo(f"{_line(letter)} -> {target}")
    listed = ", ".join(f"{count} to {target!r}" for target, count in sorted(targets.items()))
    left = f"; left out {before[0]} replayed before (--again sends them)" if before[0] else ""
    if dry_run or not targets:
        said = f"would replay {listed}" if targets else "nothing to replay"
        click.echo(f"{said}{left}", err=True)
        return
    if ledger is not None:
        ledger = _prepared(ledger, again=again)
    sending = Replay(broker, route, ledger, properties)
    sending.check_targets(sorted(targets))
    # One that came since the targets were checked may have another.
    due = (letter for letter, target in chosen(_say_nothing) if target in targets)
    click.echo(f"replayed {_send(sending, due)} dead letters: {listed}{left}", err=True)


def _due(
    letters: Iterator[Letter],
    route: ReplayRoute,
    ledger: ReplayLedger | None,
    before: list[int],
    say: Callable[[str], None],
) -> Iterator[tuple[Letter, str]]:
    """Yield the letters that are to be sent, with their targets; count those sent before."""
    before[0] = 0
    for letter in letters:
        reason = route.refusal(letter)
        if reason is not None:
            say(f"left alone: {_line(letter)} ({reason})")
            continue
        target = route.target(letter)
        if ledger is not None and ledger.has(target, letter.record):
            before[0] += 1
        else:
            yield letter, target


def _ledger(
    broker: str, properties: dict[str, Any], topic: str, *, again: bool
) -> ReplayLedger | None:
    """Return what was replayed; with ``again`` it is not needed, and may be unreadable."""
    from sabot.errors import ConfigurationError
    from sabot.kafka.replay_ledger import ReplayLedger

    ledger = ReplayLedger(broker, topic, properties)
    try:
        ledger.read()
    except ConfigurationError as error:
        if not again:
            raise
        click.echo(f"not remembered: {error}", err=True)
        return None
    return ledger


def _prepared(ledger: ReplayLedger, *, again: bool) -> ReplayLedger | None:
    from sabot.errors import BrokerError

    try:
        ledger.prepare()
    except BrokerError as error:
        if not again:
            raise
        click.echo(f"not remembered: {error}", err=True)
        return None
    return ledger


def _send(sending: Replay, letters: Iterator[Letter]) -> int:
    try:
        for letter in letters:
            sending.send(letter)
    except BaseException:
        # What is on its way arrives, and that is to be remembered.
        sending.finish()
        raise
    return sending.finish()


def _say_nothing(_line: str) -> None:
    """Leave out what was said the first time."""


def _letters(
    broker: str, properties: dict[str, Any], topic: str, where: str | None, limit: int | None
) -> Iterator[Letter]:
    from sabot.kafka.admin import read_through
    from sabot.kafka.dead_letters import letter_of

    refuse_embedded(broker)
    condition = None if where is None else parse_where(where, NAMES)
    letters = map(letter_of, read_through(broker, topic, properties=properties))
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
