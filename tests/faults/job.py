"""One app's way through its input, by workers that faults are put into, and the judgement."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from sabot.testing import Fold, Oracle, Report, Trace
from sabot.testing.trace import read_json
from sabot.types import Record
from tests.acceptance.command import Command
from tests.broker import Kafka
from tests.faults.outcome import Outcome
from tests.until import until

__all__ = ["ALOS", "EOS", "GUARANTEES", "Job", "restored_records"]

ALOS: Final = "at_least_once"
EOS: Final = "exactly_once"
GUARANTEES: Final = (EOS, ALOS)

_APP: Final = "tests/faults/app.py:app"
_LOOK_SECONDS: Final = 0.1


class Job:
    """The app of `tests.faults.app` on topics of its own; leaving the block ends it.

    Args:
        kafka: Its broker, by a way that no fault is put into.
        guarantee: What the app promises.
        seed: Chooses the keys.
        bootstrap: How the workers reach the broker, where that is another way.
        partitions: Of its input and output.
        store: Where state is kept.
        **told: What the app is told, without ``JOB_`` and in lower case.
    """

    def __init__(
        self,
        kafka: Kafka,
        guarantee: str,
        seed: int,
        *,
        bootstrap: str | None = None,
        partitions: int = 4,
        store: str = "memory",
        **told: object,
    ) -> None:
        self.kafka = kafka
        self.guarantee = guarantee
        self.group = kafka.unique("job")
        self.source, self.target = (
            kafka.create_topic(f"{self.group}-{end}", partitions) for end in ("in", "out")
        )
        self.oracle = Oracle(kafka.bootstrap, self.source, seed=seed)
        self.rounds = 0
        self.workers: list[Command] = []
        self.notes: list[str] = []
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.told: dict[str, object] = {
            "group": self.group,
            "broker": bootstrap or kafka.bootstrap,
            "guarantee": guarantee,
            "source": self.source,
            "target": self.target,
            "store": store,
            "state": self.folder / "state",
            **told,
        }
        self._stall = _Stall(self, partitions)
        self.miscounted: list[str] = []

    def __enter__(self) -> Self:
        self._stack.enter_context(self._stall)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- workers ----------------------------------------------------------------------

    def worker(self, *options: str, crash_at: str | None = None, **told: object) -> Command:
        """Start a worker, which the end of the job ends.

        Args:
            *options: Of ``sabot worker``.
            crash_at: The crash point to die at.
            **told: What this one is told beside the rest.
        """
        said = {f"JOB_{name.upper()}": str(value) for name, value in {**self.told, **told}.items()}
        if crash_at is not None:
            said["SABOT_CRASH_AT"] = crash_at
        command = ("worker", _APP, "--log-format", "json", *options)
        started = self._stack.enter_context(Command(*command, environment=said))
        self.workers.append(started)
        return started

    # --- how far it is ----------------------------------------------------------------

    @property
    def written(self) -> int:
        """Rows in the output that readers of what is committed see."""
        return sum(self.ends(self.target).values())

    def ends(self, topic: str) -> dict[int, int]:
        """Return where each partition ends, for readers of what is committed."""
        asked = {
            TopicPartition(topic, number): OffsetSpec.latest()
            for number in self.kafka.partitions(topic)
        }
        found = self.kafka.admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=5
        )
        return {each.partition: future.result(6).offset for each, future in found.items()}

    @property
    def committed(self) -> int:
        """Records of the input that are committed."""
        return sum(self.kafka.committed(self.group, self.source).values())

    def await_more(self, count: int, worker: Command | None = None, timeout: float = 60) -> None:
        """Wait until so many more rows are in the output."""
        goal = self.written + count

        def there() -> bool:
            assert worker is None or worker.code is None, f"the worker ended\n{worker}"
            return self.written >= goal

        until(there, what=f"{count} more rows in {self.target}", timeout=timeout, every=0.05)

    def await_committed(self, count: int, timeout: float = 120) -> None:
        """Wait until so much of the input is committed."""
        what = f"{count} records committed"
        until(lambda: self.committed >= count, what=what, timeout=timeout, every=0.05)

    def await_end(self, worker: Command, timeout: float = 90) -> None:
        """Wait until all of the input is committed."""

        def there() -> bool:
            assert worker.code is None, f"the worker ended\n{worker}"
            return self.kafka.committed(self.group, self.source) == {
                number: end for number, end in self.kafka.end_offsets(self.source).items() if end
            }

        until(there, what="all of the input committed", timeout=timeout, every=0.1)

    # --- the judgement ----------------------------------------------------------------

    def check(self, within: float = 60.0) -> Report:
        """Wait for the end of the input, with what workers there are, and judge."""
        return self.oracle.check(
            self.target,
            group=self.group,
            within=within,
            read=self._read,
            table=Fold(f"{self.group}-counts-changelog", lambda count, _: count + 1, 0),
        )

    def _read(self, record: Record) -> Trace | None:
        """Read a row, whose count is that of the records of its key up to it."""
        trace = read_json(record)
        if (
            trace is not None
            and (count := json.loads(record.value or b"")["count"]) != trace.seq + 1
        ):
            self.miscounted.append(
                f"{record.topic}[{record.partition}]@{record.offset}: {trace} counted as {count}"
            )
        return trace

    def judge(
        self, name: str, done: str, *, repeats: bool | None = None, within: float = 60.0
    ) -> Outcome:
        """Wait for the end of the input, and say whether the promises were kept.

        Args:
            name: The scenario.
            done: What was done.
            repeats: Whether rows may come out again; unless given, under at-least-once.
            within: Seconds until the end of the input has to be committed.
        """
        report = self.check(within)
        if repeats is None:
            repeats = self.guarantee == ALOS
        faults: list[str] = []
        claims = [
            report.assert_nothing_lost,
            report.assert_in_order,
            report.assert_progress,
            report.assert_table,
        ]
        if not repeats:
            claims.append(report.assert_no_duplicates)
        for claim in claims:
            try:
                claim()
            except AssertionError as fault:
                faults.append(str(fault).partition("\n")[0])
        if report.strangers:
            faults.append(f"{len(report.strangers)} rows that nobody wrote")
        if self.miscounted:
            faults.append(f"{len(self.miscounted)} rows counted wrongly: {self.miscounted[0]}")
        return Outcome(
            name,
            done,
            self.guarantee,
            self.rounds,
            report.written,
            len(report.lost),
            sum(report.duplicates.values()) - len(report.duplicates),
            max(self._stall.longest, report.longest_stall),
            not faults,
            "; ".join([*faults, *(self._ends() if faults else ()), *self.notes]),
        )

    def refused(self, name: str, done: str, worker: Command, *parts: str) -> Outcome:
        """Say whether a worker ends within ten seconds of its start, and says why.

        Args:
            name: The scenario.
            done: What was done.
            worker: The worker, which has just been started.
            *parts: Regular expressions, all of which are to be found in what it says.
        """
        code = worker.ends(20)
        missing = [part for part in parts if not re.search(part, worker.err + worker.out)]
        faults = [f"it ended with {code}"] if code <= 0 else []
        if missing:
            faults.append(f"it did not say {', '.join(missing)}: {_last_error(worker)}")
        self.notes += [] if faults else [f"ended with {code}: {_cause(worker)}"]
        return self.found(name, done, faults)

    def found(
        self, name: str, done: str, faults: Sequence[str], *, lost: int = 0, duplicates: int = 0
    ) -> Outcome:
        """Return an outcome that something else than the oracle has found."""
        return Outcome(
            name,
            done,
            self.guarantee,
            self.rounds,
            self.oracle.written,
            lost,
            duplicates,
            self._stall.longest,
            not faults,
            "; ".join([*faults, *self.notes]),
        )

    def broken(self, name: str, done: str, error: BaseException) -> Outcome:
        """Return the outcome of a scenario that did not get to its end."""
        first = str(error).partition("\n")[0]
        return self.found(name, done, [f"{type(error).__name__}: {first}", *self._ends()])

    def _ends(self) -> list[str]:
        """Return how workers ended that neither were killed nor asked to end."""
        return [
            f"a worker ended with {worker.code}: {_last_error(worker)}"
            for worker in self.workers
            if worker.code not in (None, 0, -signal.SIGKILL)
        ]


def _last_error(worker: Command) -> str:
    lines = [line for line in worker.err.splitlines() if '"error"' in line or "Error" in line]
    return lines[-1][:500] if lines else "no error was said"


class _Stall:
    """Watches how long nothing is committed though there is input that is not."""

    def __init__(self, job: Job, partitions: int) -> None:
        self.longest = 0.0
        self._partitions = partitions
        self._job = job
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sabot-fault-stall", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _watch(self) -> None:
        # A plain consumer, in no group: admin clients take it badly when a broker goes.
        consumer = Consumer(
            {
                "bootstrap.servers": self._job.kafka.bootstrap,
                "group.id": self._job.group,
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
                "socket.timeout.ms": 5000,
                "log_level": 0,
            }
        )
        before, moved = 0, time.monotonic()
        try:
            while not self._ended.wait(_LOOK_SECONDS):
                left, committed = True, before
                # A broker that is away commits nothing.
                with contextlib.suppress(KafkaException):
                    committed, left = self._look(consumer)
                now = time.monotonic()
                if committed != before or not left:
                    before, moved = committed, now
                self.longest = max(self.longest, now - moved)
        finally:
            consumer.close()

    def _look(self, consumer: Consumer) -> tuple[int, bool]:
        """Return how much is committed, and whether there is more."""
        places = [TopicPartition(self._job.source, number) for number in range(self._partitions)]
        found = consumer.committed(places, timeout=3)
        ends = [consumer.get_watermark_offsets(place, timeout=3)[1] for place in places]
        committed = [max(0, each.offset) for each in found]
        return sum(committed), sum(committed) < sum(ends)


def _cause(worker: Command) -> str:
    """Return the text of the last error that a worker logs."""
    for line in reversed(worker.err.splitlines()):
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if said.get("level") in ("error", "critical"):
                return str(said.get("error") or said.get("event"))
    return _last_error(worker)


def restored_records(worker: Command) -> list[int]:
    """Return how many changelog records a worker says it has read, for each partition."""
    found: list[int] = []
    for line in worker.err.splitlines():
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if said.get("event") == "state restored":
                found.append(int(said["records"]))
    return found
