"""``sabot reset-offsets``: where a group goes on reading, and what becomes of its state."""

from __future__ import annotations

from typing import Any, Literal

import click

from sabot.cli.options import broker_option, client_options, debug_option, refuse_embedded

__all__ = ["command"]


@click.command("reset-offsets", short_help="Set where a group reads on.")
@click.argument("group")
@click.argument("topic")
@click.option(
    "--to",
    required=True,
    envvar="SABOT_RESET_TO",
    show_envvar=True,
    metavar="earliest|latest|OFFSET",
    help="The first offset to read.",
)
@click.option(
    "--partition",
    type=click.IntRange(min=0),
    envvar="SABOT_RESET_PARTITION",
    show_envvar=True,
    help="One partition only; all of them unless given.",
)
@click.option(
    "--state",
    type=click.Choice(["keep", "rebuild"]),
    envvar="SABOT_STATE",
    show_envvar=True,
    help="What becomes of what its steps keep: go on with it, or delete it. Must be said where "
    "there is any.",
)
@click.option(
    "--app",
    envvar="SABOT_APP",
    show_envvar=True,
    metavar="ID",
    help="Whose changelogs belong to the group; the group's name unless given.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    envvar="SABOT_RESET_DRY_RUN",
    show_envvar=True,
    help="Say what would change, and change nothing.",
)
@broker_option
@client_options
@debug_option
def command(
    group: str,
    topic: str,
    to: str,
    partition: int | None,
    state: Literal["keep", "rebuild"] | None,
    app: str | None,
    dry_run: bool,
    broker: str,
    properties: dict[str, Any],
) -> None:
    """Set the offsets from which GROUP reads TOPIC.

    Nobody may be in the group: stop its workers first.

    \b
    Examples:
      sabot reset-offsets billing orders --to earliest --state rebuild
      sabot reset-offsets billing orders --to 4711 --partition 3 --dry-run
    """  # noqa: D301 - \b keeps the lines below it as they are
    from sabot.runtime.offset_reset import OffsetReset

    refuse_embedded(broker)
    wanted = _wanted(to)
    reset = OffsetReset(broker, group, topic, app=app or group, state=state, properties=properties)
    steps = reset.plan(wanted, partition)
    if not dry_run:
        reset.make(steps)
    for step in steps:
        before = "none" if step.before is None else str(step.before)
        click.echo(f"{step.partition}\t{before}\t{step.after}")
    done = "would be set" if dry_run else "set"
    click.echo(f"{len(steps)} offsets of group {group!r} {done}", err=True)
    for name in reset.changelogs:
        word = "kept" if state == "keep" else "deleted by the next worker"
        click.echo(f"state in {name!r} {'would be' if dry_run else 'is'} {word}", err=True)


def _wanted(text: str) -> str | int:
    """Return where to, as it was written.

    Raises:
        BadParameter: If it is neither a name nor an offset.
    """
    if text in ("earliest", "latest"):
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    raise click.BadParameter(
        f"{text!r} is no place; allowed are earliest, latest or an offset", param_hint="--to"
    )
