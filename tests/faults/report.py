"""The fault report: ``docs/fault-report.json`` has what runs found, ``.md`` shows it.

A run replaces the rows of the scenarios it ran and leaves the others, each with the seed
and the command that made it. So a scenario that takes an hour is not run again for one
that takes a minute.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import confluent_kafka

import sabot
from scripts.kafka import VERSION
from tests.faults.outcome import Outcome

__all__ = ["DATA", "PAGE", "render", "update"]

DATA: Final = Path(__file__).resolve().parents[2] / "docs" / "fault-report.json"
PAGE: Final = DATA.with_suffix(".md")

_HEAD: Final = """# Fault report

What became of the records while workers were killed, frozen, cut off and starved. Written
by `make faults`; every row is one run against a real broker, judged by clients that are
not Sabot's (`sabot.testing.Oracle`). A row that fails stays here until it is mended.

A row passes where nothing is lost; each key's rows come out in order; each row has the
count that a fold of the input gives it, and the table at the end is that fold; the end of
every partition is committed within a minute; and no row comes out twice, except under
at-least-once after something that is not a graceful stop.

"""

_COLUMNS: Final = (
    "Scenario",
    "What is done",
    "Guarantee",
    "Rounds",
    "Records",
    "Lost",
    "Duplicates",
    "Longest stall",
    "Result",
    "Note",
)


def update(outcomes: Sequence[Outcome], *, seed: int, arguments: Sequence[str]) -> None:
    """Put what a run found in place of what earlier ones found of its scenarios."""
    given = list(arguments)
    if "--seed" not in given:
        given += ["--seed", str(seed)]
    made = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": f'make faults ARGS="{" ".join(given)}"',
        "versions": (
            f"Sabot {sabot.__version__}, Kafka {VERSION}, confluent-kafka "
            f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]}), "
            f"Python {platform.python_version()}, {os.cpu_count()} cores"
        ),
    }
    rows: list[dict[str, Any]] = json.loads(DATA.read_text()) if DATA.exists() else []
    ran = {each.name for each in outcomes}
    rows = [row for row in rows if row["name"] not in ran]
    rows += [{**dataclasses.asdict(each), **made} for each in outcomes]
    rows.sort(key=lambda row: int(row["name"].lstrip("F")))
    DATA.write_text(json.dumps(rows, indent=1) + "\n")
    PAGE.write_text(render(rows))


def render(rows: Sequence[dict[str, Any]]) -> str:
    """Return the page that shows these rows."""
    failed = sum(not row["passed"] for row in rows)
    runs = dict.fromkeys((row["date"], row["command"], row["versions"]) for row in rows)
    about = [f"{len(rows)} rows, {failed} failed. Made by:", ""]
    for date, command, versions in runs:
        names = [row["name"] for row in rows if (row["date"], row["command"]) == (date, command)]
        about.append(f"- {', '.join(dict.fromkeys(names))}: `{command}` ({date}; {versions})")
    lines = ["", _row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
    lines += [_row(_cells(Outcome(**_own(row)))) for row in rows]
    return _HEAD + "\n".join([*about, *lines]) + "\n"


def _own(row: dict[str, Any]) -> dict[str, Any]:
    return {each.name: row[each.name] for each in dataclasses.fields(Outcome)}


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(each: Outcome) -> tuple[str, ...]:
    return (
        each.name,
        each.done,
        each.guarantee.replace("_", " "),
        str(each.rounds),
        f"{each.records:,}",
        str(each.lost),
        str(each.duplicates),
        f"{each.longest_stall_seconds:.1f} s",
        "pass" if each.passed else "**FAIL**",
        each.note.replace("|", "\\|").replace("\n", " "),
    )
