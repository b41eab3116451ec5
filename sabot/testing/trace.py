"""Records that can be told apart: an id, and a number within their key."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sabot.testing.report import Disorder
from sabot.types import Record

__all__ = ["Reader", "Trace", "Traces", "disorder", "read_json"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What tells a record from all others.

    Attributes:
        id: Nobody else's.
        key: Its key.
        seq: Its number within the key, from 0.
    """

    id: int
    key: str
    seq: int


Reader = Callable[[Record], Trace | None]
"""Finds the trace in an output record; ``None`` for one that has none."""


def read_json(record: Record) -> Trace | None:
    """Find the trace in a JSON object with the fields ``id``, ``key`` and ``seq``.

    Raises:
        ValueError: If the record is neither a tombstone nor such an object.
    """
    if record.value is None:
        return None
    row = json.loads(record.value)
    try:
        return Trace(int(row["id"]), str(row["key"]), int(row["seq"]))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{record.topic}[{record.partition}]@{record.offset} has no 'id', 'key' and 'seq': "
            f"{record.value[:200]!r}"
        ) from error


@dataclass(slots=True)
class Traces:
    """Makes records; each goes on where the last stopped.

    Args:
        seed: Chooses the keys.
    """

    seed: int
    made: int = 0
    _numbers: Counter[str] = field(default_factory=Counter)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a choice, no secret

    def make(
        self, count: int, keys: int, extra: Callable[[Trace], Mapping[str, Any]] | None = None
    ) -> Iterable[tuple[bytes, bytes]]:
        """Yield keys and JSON values."""
        for _ in range(count):
            key = f"k{self._random.randrange(keys)}"
            trace = Trace(self.made, key, self._numbers[key])
            self.made += 1
            self._numbers[key] += 1
            row = {"id": trace.id, "key": key, "seq": trace.seq}
            if extra is not None:
                row.update(extra(trace))
            yield key.encode(), json.dumps(row).encode()


def disorder(rows: Sequence[tuple[Trace, Record]]) -> list[Disorder]:
    """Return the rows that left too early; a repeat of what had left before is none.

    Args:
        rows: In the order of each partition.
    """
    highest: dict[tuple[str, int], int] = defaultdict(lambda: -1)
    seen: set[int] = set()
    found: list[Disorder] = []
    for trace, record in rows:
        if trace.id in seen:
            continue
        seen.add(trace.id)
        place = (trace.key, record.partition)
        if trace.seq < highest[place]:
            where = f"{record.topic}[{record.partition}]@{record.offset}"
            found.append(Disorder(trace.key, trace.seq, highest[place], where))
        highest[place] = max(highest[place], trace.seq)
    return found
