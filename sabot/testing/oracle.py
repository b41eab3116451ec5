"""Judges a program by its topics: what went in, what came out, how far it has committed."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sabot.testing.report import Report, Stuck
from sabot.testing.trace import Reader, Trace, Traces, disorder, read_json
from sabot.testing.witness import Witness
from sabot.types import TopicPartition

__all__ = ["Fold", "Oracle"]

_LOOK_SECONDS: Final = 0.1
_BATCHES_A_SECOND: Final = 20


@dataclass(frozen=True, slots=True)
class Fold:
    """What a table should be: one value per key, from all its records in order.

    Attributes:
        topic: Where the table's values are written, keyed, the newest last; a tombstone
            takes a key away.
        step: From the value so far and an input row to the next value.
        start: The value of a key that has none yet.
        read: Finds the value in a record's JSON.
    """

    topic: str
    step: Callable[[Any, dict[str, Any]], Any]
    start: Any = None
    read: Callable[[Any], Any] = lambda value: value


class Oracle:
    """Writes an input whose every record can be told apart, and checks what became of it.

    A record's value is a JSON object with ``id``, ``key`` and ``seq`` (its number within
    the key); its key is ``key``. The program under test keeps the three fields. The truth
    is the input topic itself, read back by plain clients that are not Sabot's; so a record
    whose report was lost on the way counts as soon as the broker has it.

    Args:
        bootstrap: The broker, by a way that no fault is put into.
        topic: The input topic, which must be there and nobody else's.
        seed: Chooses the keys; printed with every finding.
        properties: Further librdkafka properties of its clients.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        *,
        seed: int = 0,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        self.topic = topic
        self.seed = seed
        self._witness = Witness(bootstrap, properties)
        self._traces = Traces(seed)

    @property
    def written(self) -> int:
        """How many records it has written."""
        return self._traces.made

    # --- in ---------------------------------------------------------------------------

    def write(
        self,
        count: int,
        *,
        keys: int = 100,
        extra: Callable[[Trace], Mapping[str, Any]] | None = None,
    ) -> None:
        """Write so many more records and wait until the broker has them.

        Args:
            count: How many.
            keys: How many keys they may have.
            extra: Further fields of a record.

        Raises:
            BrokerUnavailableError: If the broker does not take them.
        """
        self._witness.write(self.topic, self._traces.make(count, keys, extra))

    @contextlib.contextmanager
    def writing(self, per_second: float, *, keys: int = 100) -> Iterator[None]:
        """Write at a pace for as long as the block lasts.

        Raises:
            BrokerUnavailableError: At the end of the block, if the broker did not take all.
        """
        ended = threading.Event()
        failures: list[Exception] = []

        def write() -> None:
            began, done = time.monotonic(), 0
            try:
                while not ended.wait(1 / _BATCHES_A_SECOND):
                    due = int((time.monotonic() - began) * per_second) - done
                    self.write(due, keys=keys)
                    done += due
            except Exception as error:  # noqa: BLE001 - raised where the block ends
                failures.append(error)

        writer = threading.Thread(target=write, name="sabot-oracle")
        writer.start()
        try:
            yield
        finally:
            ended.set()
            writer.join()
        if failures:
            raise failures[0]

    # --- out --------------------------------------------------------------------------

    def check(
        self,
        output: str,
        *,
        group: str | None = None,
        within: float = 30.0,
        expects: Callable[[Trace], bool] | None = None,
        read: Reader = read_json,
        table: Fold | None = None,
    ) -> Report:
        """Say what became of the input.

        Args:
            output: The output topic; only what is committed counts.
            group: The program's consumer group: first wait until it has committed the end
                of every partition of the input.
            within: Seconds it has for that.
            expects: Whether a record should come out; all unless given.
            read: Finds the trace in an output record.
            table: A table to compare with the fold of the input.
        """
        stuck, stall = (None, 0.0) if group is None else self.progress(group, within)
        inputs = [(_trace_of(row), row) for row in self._input_rows()]
        wanted = {trace.id for trace, _ in inputs if expects is None or expects(trace)}
        found = [
            (trace, record)
            for record in self._witness.read(output)
            if (trace := read(record)) is not None
        ]
        counts = Counter(trace.id for trace, _ in found)
        return Report(
            seed=self.seed,
            written=len(inputs),
            rows=len(found),
            lost=sorted(wanted - counts.keys()),
            duplicates={number: count for number, count in sorted(counts.items()) if count > 1},
            strangers=sorted(counts.keys() - wanted),
            disorder=disorder(found),
            table=None if table is None else self._differences(table, [r for _, r in inputs]),
            stuck=stuck,
            longest_stall=stall,
        )

    def progress(self, group: str, within: float) -> tuple[dict[TopicPartition, Stuck], float]:
        """Wait until a group has committed the end of every partition of the input.

        Nothing must be writing meanwhile.

        Returns:
            The partitions that are not there after ``within`` seconds, and the longest
            time in which no commit moved.
        """
        began = moved = time.monotonic()
        stall = 0.0
        before: Mapping[TopicPartition, int] | None = None
        pause = threading.Event()
        while True:
            committed = self._witness.committed(group, self.topic)
            now = time.monotonic()
            stall = max(stall, now - moved)
            if committed != before:
                before, moved = committed, now
            behind = {
                tp: Stuck(committed.get(tp), end)
                for tp, (first, end) in self._witness.ends(self.topic).items()
                if end > first and committed.get(tp) != end
            }
            if not behind or now - began > within:
                return behind, stall
            pause.wait(_LOOK_SECONDS)

    def fold(self, step: Callable[[Any, dict[str, Any]], Any], start: Any = None) -> dict[str, Any]:
        """Return the value per key that the input comes to, in the order of its records."""
        return _fold(step, start, self._input_rows())

    def table(self, topic: str) -> dict[str, Any]:
        """Return the newest JSON value of each key of a topic; keys that ended are gone."""
        newest: dict[str, Any] = {}
        for record in self._witness.read(topic):
            key = (record.key or b"").decode()
            if record.value is None:
                newest.pop(key, None)
            else:
                newest[key] = json.loads(record.value)
        return newest

    def _input_rows(self) -> Sequence[dict[str, Any]]:
        return [json.loads(record.value) for record in self._witness.read(self.topic)]

    def _differences(
        self, table: Fold, rows: Sequence[dict[str, Any]]
    ) -> dict[str, tuple[Any, Any]]:
        expected = _fold(table.step, table.start, rows)
        found = {key: table.read(value) for key, value in self.table(table.topic).items()}
        return {
            key: (expected.get(key), found.get(key))
            for key in sorted(expected.keys() | found.keys())
            if key not in expected or key not in found or expected[key] != found[key]
        }


def _fold(
    step: Callable[[Any, dict[str, Any]], Any], start: Any, rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for row in rows:
        key = str(row["key"])
        values[key] = step(values.get(key, start), row)
    return values


def _trace_of(row: Mapping[str, Any]) -> Trace:
    return Trace(int(row["id"]), str(row["key"]), int(row["seq"]))
