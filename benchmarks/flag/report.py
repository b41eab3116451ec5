"""Make ``docs/performance.md`` and its chart from ``results.json``, and from nothing else.

``python -m benchmarks.flag.report`` writes them again without running anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.flag.chart import Bar, draw
from benchmarks.flag.contenders import ROOT, YARDSTICK

__all__ = ["CHART", "PAGE", "RESULTS", "Summary", "as_text", "summarise", "write"]

RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "images" / "flag.svg"

_TOLERANCE = 0.30
"""How far below its reference a peer may fall before the page says so."""

_PAGE = """<!-- Made by benchmarks/flag/report.py from results.json beside it; do not edit. -->

# Performance

Every number on this page comes from one run of `make bench`
({date}, commit `{commit}`). What is measured, and how, is in
[benchmarks/README.md](../benchmarks/README.md); the code of every contender is in
[benchmarks/flag](../benchmarks/flag).

## Job "flag"

JSON in, keep `amount > 1000`, add a column, JSON out: {records:,} records of
{record_bytes:g} bytes on average with 8 fields, in {partitions} partitions;
{passing:.1%} of them pass. One process per contender, at-least-once, offsets committed
every {commit_seconds:g} s. Medians of {repeat} runs, taken in turn.

![Input records per second, by contender](images/flag.svg)

{rates}

{slow}{remarks}### What it costs

CPU, page faults and memory are the contender's process alone; the broker works on the same
cores. CPU and faults are counted while the rate is, memory is the highest of the
whole run.

{costs}

### Until the last record is out, and committed

The first time includes starting the interpreter, imports and joining the group; the second
runs from the last output to the commit of the last input.

{times}

## The machine

{cores} cores, {processor}, {memory:.0f} GiB of memory, {system}.
Broker, on the same machine: {broker}.

{versions}

Whether pandas can be imported matters to code that uses pyarrow: where it cannot, every
untyped literal (`pc.greater(b["amount"], 1000.0)`, `pa.scalar(1000.0)`) tries the import
again. In a hot function give the type: `pa.scalar(1000.0, pa.float64())`, made once.

## All runs

Input records per second, in the order they were taken.

{runs}
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of one contender's valid runs; ``None`` where it has no figure."""

    name: str
    title: str
    records: int
    rates: tuple[float, ...]
    void: int
    cpu_us: float | None
    faults: float | None
    peak_bytes: float | None
    start_to_last: float | None
    commit_lag: float | None

    @property
    def rate(self) -> float | None:
        """The median rate; ``None`` without a single valid run."""
        return median(self.rates) if self.rates else None


def summarise(results: Mapping[str, Any]) -> list[Summary]:
    """Return every contender's medians, in the order of the results file."""
    return [_summary(name, about, results["runs"]) for name, about in results["contenders"].items()]


def _summary(name: str, about: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> Summary:
    mine = [run for run in runs if run["contender"] == name]
    valid = [run for run in mine if not run["void"]]

    def middle(field: str) -> float | None:
        values = [run[field] for run in valid if run[field] is not None]
        return median(values) if values else None

    return Summary(
        name=name,
        title=about["title"],
        records=mine[0]["records"] if mine else 0,
        rates=tuple(run["rate"] for run in valid),
        void=len(mine) - len(valid),
        cpu_us=middle("cpu_us_per_record"),
        faults=middle("minor_faults_per_record"),
        peak_bytes=middle("peak_rss_bytes"),
        start_to_last=middle("start_to_last_seconds"),
        commit_lag=middle("commit_lag_seconds"),
    )


def ratio(summary: Summary, all_of_them: Iterable[Summary]) -> float | None:
    """Return the contender's rate as a share of the hand-written loop's."""
    yardstick = next((s.rate for s in all_of_them if s.name == YARDSTICK), None)
    return summary.rate / yardstick if summary.rate and yardstick else None


def as_text(results: Mapping[str, Any]) -> str:
    """Return the figures as lines for a terminal."""
    every = summarise(results)
    lines = [f"{'':34}{'records/s':>12}{'ratio':>8}{'CPU us':>8}{'faults':>8}{'peak MB':>9}"]
    for each in every:
        share = ratio(each, every)
        lines.append(
            f"{each.title:34}{_figure(each.rate, ',.0f'):>12}{_figure(share, '.3f'):>8}"
            f"{_figure(each.cpu_us, '.2f'):>8}{_figure(each.faults, '.3f'):>8}"
            f"{_figure(_megabytes(each), '.0f'):>9}"
        )
    return "\n".join([*lines, *_remarks(results, every)])


def write(results: Mapping[str, Any]) -> None:
    """Write the results page and its chart."""
    every = summarise(results)
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(_chart(every))
    PAGE.write_text(_page(results, every))


def _chart(every: list[Summary]) -> str:
    bars = []
    for each in sorted(every, key=lambda s: s.rate or 0.0, reverse=True):
        share = ratio(each, every)
        if each.rate is not None:
            note = f"{share:.2f}x" if share is not None else ""
            ours = each.name.startswith("sabot")
            low, high = min(each.rates), max(each.rates)
            bars.append(Bar(each.title, each.rate, low, high, note, ours))
    subtitle = (
        "input records per second, median; the line spans all runs; x: times the hand-written loop"
    )
    return draw('Job "flag": JSON in, filter, add a column, JSON out', subtitle, bars)


def _page(results: Mapping[str, Any], every: list[Summary]) -> str:
    machine, settings = results["machine"], results["settings"]
    return _PAGE.format(
        date=results["date"],
        commit=results["commit"] or "none",
        records=settings["records"],
        record_bytes=settings["record_bytes"],
        partitions=settings["partitions"],
        passing=settings["passing_share"],
        commit_seconds=settings["commit_seconds"],
        repeat=settings["repeat"],
        rates=_rates(every),
        slow=_slow(results, every),
        remarks="".join(f"- {line}\n" for line in _remarks(results, every)) + "\n",
        costs=_costs(every),
        times=_times(every),
        cores=machine["cores"],
        processor=machine["processor"],
        memory=machine["memory_bytes"] / 2**30,
        system=machine["system"],
        broker=results["broker"],
        versions=_versions(results),
        runs=_runs(every),
    ).replace("\n\n\n", "\n\n")


def _rates(every: list[Summary]) -> str:
    rows = [
        (each.title, _figure(each.rate, ",.0f"), _figure(ratio(each, every), ".2f"))
        for each in every
    ]
    return _table(("contender", "input records/s", "of the hand-written loop"), rows)


def _costs(every: list[Summary]) -> str:
    rows = [
        (
            each.title,
            _figure(each.cpu_us, ".2f"),
            _figure(each.faults, ".3f"),
            _figure(_megabytes(each), ".0f"),
        )
        for each in every
    ]
    return _table(("contender", "CPU µs/record", "minor faults/record", "peak memory, MB"), rows)


def _times(every: list[Summary]) -> str:
    rows = [
        (
            each.title,
            f"{each.records:,}",
            _figure(each.start_to_last, ".1f"),
            _figure(each.commit_lag, ".2f"),
        )
        for each in every
    ]
    return _table(("contender", "records", "start to last output, s", "until committed, s"), rows)


def _runs(every: list[Summary]) -> str:
    rows = [
        (each.title, " · ".join(f"{rate:,.0f}" for rate in each.rates) or "none", str(each.void))
        for each in every
    ]
    return _table(("contender", "valid runs", "void runs"), rows, numbers=False)


def _versions(results: Mapping[str, Any]) -> str:
    rows = []
    for about in results["contenders"].values():
        parts = ", ".join(f"{n} {v}" for n, v in about["versions"].items() if v is not None)
        pandas = "yes" if about["pandas"] else "no"
        rows.append((about["title"], about["python"], parts, str(about["batch"]), pandas))
    return _table(
        ("contender", "Python", "versions", "batch", "pandas importable"), rows, numbers=False
    )


def _slow(results: Mapping[str, Any], every: list[Summary]) -> str:
    about = results["contenders"]
    slow = [each.title for each in every if about[each.name]["slow"]]
    if not slow:
        return ""
    count = results["settings"]["records_slow"]
    who = ", ".join(slow)
    return f"{who} got {count:,} records, so that the run ends; a rate is a rate.\n\n"


def _remarks(results: Mapping[str, Any], every: list[Summary]) -> list[str]:
    lines = []
    for each in every:
        about = results["contenders"][each.name]
        if each.name in results["not_qualified"]:
            lines.append(f"{each.title} was not measured: {results['not_qualified'][each.name]}")
        if each.void:
            lines.append(f"{each.title}: {each.void} void runs, left out")
        codes = {r["exit_code"] for r in results["runs"] if r["contender"] == each.name}
        if odd := sorted(codes - {about["exit_code"]}):
            lines.append(f"{each.title} ended with exit code {', '.join(map(str, odd))}")
        if not about["commits"]:
            lines.append(f"{each.title} keeps its offsets in a store of its own, not in Kafka")
        reference = about["reference"]
        if each.rate and reference and each.rate < (1 - _TOLERANCE) * reference:
            lines.append(
                f"{each.title} is {1 - each.rate / reference:.0%} below its reference of "
                f"{reference:,} records/s: suspect its configuration, or a busy machine"
            )
    return lines


def _megabytes(summary: Summary) -> float | None:
    return None if summary.peak_bytes is None else summary.peak_bytes / 1e6


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, numbers: bool = True) -> str:
    rule = ("---", *("---:" if numbers else "---" for _ in head[1:]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text()))
