"""Run job "flag": qualify every contender, then measure them in turn.

``python benchmarks/flag/run.py --help`` lists the options; ``benchmarks/README.md`` says
what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs as a script

from benchmarks.flag import environments, report
from benchmarks.flag.broker import Broker
from benchmarks.flag.contenders import CONTENDERS, ROOT, Contender
from benchmarks.flag.job import (
    FIRST_TIMESTAMP,
    PARTITIONS,
    expected_outputs,
    input_topic,
    is_right_output,
    records,
)
from benchmarks.flag.process import ContenderProcess, Usage
from benchmarks.flag.watch import MARK_FROM, Measurement, Order, VoidRunError, watch
from scripts import kafka

COMMIT_SECONDS = "1.0"
"""The commit interval, or what a contender has in its place; the same for all."""

QUALIFYING_RECORDS = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and write the results; 0 when every run counted."""
    options = parse(arguments)
    if options.bootstrap:
        return run(options, options.bootstrap, "one that ran already")
    try:
        with kafka.running() as started:
            name = f"Apache Kafka {kafka.VERSION}, one node, started for this run"
            return run(options, started.bootstrap, name)
    except kafka.KafkaUnavailableError as error:
        print(f"no broker: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace, bootstrap: str, broker_name: str) -> int:
    """Run the benchmark against the broker at ``bootstrap``."""
    chosen = [c for c in CONTENDERS if not options.only or c.name in options.only]
    broker = Broker(bootstrap)
    for contender in chosen:
        environments.interpreter(contender)
    refused = qualify(broker, chosen)
    for name, reason in refused.items():
        print(f"{name}: not measured: {reason}", flush=True)
    if options.check:
        return 1 if refused else 0
    runs = measure(broker, [c for c in chosen if c.name not in refused], options)
    results = {
        **describe(chosen, options),
        "broker": broker_name,
        "not_qualified": refused,
        "runs": runs,
    }
    options.results.write_text(json.dumps(results, indent=1) + "\n")
    if options.results == report.RESULTS:
        report.write(results)
    print(report.as_text(results))
    return 1 if refused or any(run["void"] for run in runs) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = [c.name for c in CONTENDERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--bootstrap",
        default=os.environ.get("FLAG_BOOTSTRAP"),
        help="a broker on this machine (default: FLAG_BOOTSTRAP, else one is started)",
    )
    parser.add_argument("--records", type=int, default=2_000_000, help="default: %(default)s")
    parser.add_argument(
        "--records-slow",
        type=int,
        default=200_000,
        help="the share of contenders marked slow, so that the run ends (default: %(default)s)",
    )
    parser.add_argument("--repeat", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", action="append", choices=names, help="may be given more often")
    parser.add_argument("--check", action="store_true", help="qualify only, measure nothing")
    parser.add_argument(
        "--results",
        type=Path,
        default=report.RESULTS,
        help="the results page is made only from the default file",
    )
    return parser.parse_args(arguments)


def qualify(broker: Broker, chosen: Sequence[Contender]) -> dict[str, str]:
    """Compare every output of a short run with its input; return who failed, and why."""
    expected = expected_outputs(QUALIFYING_RECORDS)
    refused = {}
    for contender in chosen:
        result, topic = run_once(broker, contender, QUALIFYING_RECORDS, expected, keep=True)
        reason = result["void"] or wrong_content(broker, topic)
        broker.delete(topic)
        if reason:
            refused[contender.name] = reason
        else:
            print(f"{contender.name}: all {expected} outputs right", flush=True)
    return refused


def wrong_content(broker: Broker, topic: str) -> str | None:
    """Return what is wrong with the first bad record of ``topic``, else ``None``."""
    missing: dict[tuple[int, bytes | None], Any] = {
        (number, record.key): json.loads(record.value)
        for number, record in enumerate(records(QUALIFYING_RECORDS))
        if record.passes
    }
    for message in broker.read(topic):
        number = message.timestamp()[1] - FIRST_TIMESTAMP
        source = missing.pop((number, message.key()), None)
        if source is None:
            return f"an output with key {message.key()!r} and the timestamp of record {number}"
        output = json.loads(message.value() or b"null")
        if not is_right_output(source, output):
            return f"{output!r} was made from {source!r}"
    return f"{len(missing)} outputs are missing" if missing else None


def measure(
    broker: Broker, chosen: Sequence[Contender], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Run everybody once, then everybody again: a slow minute hits all alike."""
    expected = {n: expected_outputs(n) for n in {options.records, options.records_slow}}
    runs = []
    for turn in range(options.repeat):
        for contender in chosen:
            count = options.records_slow if contender.slow else options.records
            result, _ = run_once(broker, contender, count, expected[count], keep=False)
            runs.append({"contender": contender.name, "turn": turn, "records": count, **result})
            rate = result["rate"]
            shown = f"{rate:,.0f} records/s" if rate else f"void: {result['void']}"
            print(f"turn {turn + 1}, {contender.name}: {shown}", flush=True)
    return runs


def run_once(
    broker: Broker, contender: Contender, count: int, expected: int, *, keep: bool
) -> tuple[dict[str, Any], str]:
    """Run one contender over ``count`` records; return its figures and its output topic."""
    run = uuid.uuid4().hex[:8]
    order = Order(
        source=input_topic(count),
        output=f"bench-flag-out-{contender.name}-{run}",
        group=f"bench-flag-{contender.name}-{run}",
        records=count,
        expected=expected,
        commits=contender.commits,
        timed=not keep,
    )
    if not broker.exists(order.source):
        print(f"filling {order.source}", flush=True)
        broker.fill(order.source, count)
    # Where contents are compared the records must keep the timestamps they came with.
    broker.create(order.output, append_time=order.timed)
    process = start(broker, contender, order)
    measurement, void = None, None
    try:
        measurement = watch(broker, process, order)
    except VoidRunError as reason:
        void = str(reason)
    finally:
        usage = process.stop(contender.stop)
    void = void or after_the_end(broker, order, measurement)
    if void:
        print(f"{contender.name}: {void}\n{process.tail()}", flush=True)
    else:
        process.log.unlink()
    broker.forget_group(order.group)
    if not keep:
        broker.delete(order.output)
    return figures(measurement, usage, void), order.output


def start(broker: Broker, contender: Contender, order: Order) -> ContenderProcess:
    """Start the contender's process; everything it needs to know is in its environment."""
    environment = {
        **os.environ,
        "FLAG_BROKER": broker.bootstrap,
        "FLAG_INPUT": order.source,
        "FLAG_OUTPUT": order.output,
        "FLAG_GROUP": order.group,
        "FLAG_BATCH": str(contender.batch),
        "FLAG_COMMIT_SECONDS": COMMIT_SECONDS,
    }
    logs = environments.cache_folder() / "benchmarks" / "flag" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    command = [str(environments.interpreter(contender)), *contender.arguments]
    return ContenderProcess(command, environment, ROOT, logs / f"{order.group}.log")


def after_the_end(broker: Broker, order: Order, measurement: Measurement | None) -> str | None:
    """Return why a run that looked right is void all the same, else ``None``."""
    count = broker.count(order.output)
    if count != order.expected:
        return f"left {count} outputs where {order.expected} are right"
    if order.timed and (measurement is None or measurement.rate is None):
        return "too short to be measured: the first poll after the start saw too much"
    return None


def figures(measurement: Measurement | None, usage: Usage, void: str | None) -> dict[str, Any]:
    """Return one run's part of the results file."""
    empty = dict.fromkeys(Measurement.__dataclass_fields__)
    return {
        "void": void,
        **(measurement.as_dict() if measurement else empty),
        "exit_code": usage.exit_code,
        "cpu_seconds": usage.cpu_seconds,
        "peak_rss_bytes": usage.peak_rss_bytes,
        "minor_faults": usage.minor_faults,
    }


def describe(chosen: Sequence[Contender], options: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on: machine, versions, sizes."""
    sizes = [len(record.value) for record in records(10_000)]
    return {
        "job": "flag",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": processor(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "system": f"{platform.system()} {platform.machine()}, {'-'.join(platform.libc_ver())}",
            "python": platform.python_version(),
        },
        "settings": {
            "records": options.records,
            "records_slow": options.records_slow,
            "repeat": options.repeat,
            "partitions": PARTITIONS,
            "record_bytes": round(sum(sizes) / len(sizes), 1),
            "passing_share": expected_outputs(options.records) / options.records,
            "mark_from": MARK_FROM,
            "commit_seconds": float(COMMIT_SECONDS),
        },
        "contenders": {
            c.name: {
                "title": c.title,
                "batch": c.batch,
                "slow": c.slow,
                "commits": c.commits,
                "exit_code": c.exit_code,
                "reference": c.reference,
                **environments.describe(c),
            }
            for c in chosen
        },
    }


def processor() -> str:
    """Return the processor's name as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit() -> str | None:
    """Return the commit that was measured, with a mark if files had changed since."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
