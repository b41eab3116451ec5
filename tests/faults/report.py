"""The fault report, ``docs/fault-report.md``, from what a run found."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import confluent_kafka

import sabot
from scripts.kafka import VERSION
from tests.faults.outcome import Outcome

__all__ = ["PATH", "write"]

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "fault-report.md"

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


def write(outcomes: Sequence[Outcome], *, seed: int, arguments: Sequence[str]) -> None:
    """Write the report."""
    given = list(arguments)
    if "--seed" not in given:
        given += ["--seed", str(seed)]
    command = " ".join(given)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    failed = sum(not each.passed for each in outcomes)
    client = (
        f"confluent-kafka {confluent_kafka.version()[0]} "
        f"(librdkafka {confluent_kafka.libversion()[0]})"
    )
    about = [
        f'- Command: `make faults ARGS="{command}"`',
        f"- Date: {today}; seed {seed}",
        f"- Sabot {sabot.__version__}, Kafka {VERSION}, {client}, "
        + f"Python {platform.python_version()}, {os.cpu_count()} cores",
        f"- {len(outcomes)} rows, {failed} failed",
    ]
    lines = ["", "", _row(_COLUMNS), _row("---" for _ in _COLUMNS)]
    lines += [_row(_cells(each)) for each in outcomes]
    text = "\n".join([*about, *lines])
    PATH.write_text(f"{_HEAD}{text}\n")


def _row(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]


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
