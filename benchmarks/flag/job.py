"""The job itself: its records, its topics, and the answer a contender must give."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FIRST_TIMESTAMP",
    "LIMIT",
    "PARTITIONS",
    "InputRecord",
    "expected_outputs",
    "input_topic",
    "is_right_output",
    "records",
]

PARTITIONS = 4
"""Partitions of the input topic and of every output topic."""

LIMIT = 1000.0
"""A record passes when its ``amount`` is above this."""

FIRST_TIMESTAMP = 1_700_000_000_000
"""Timestamp of record 0, in its JSON and on its Kafka record; record n is n ms later."""

_SEED = 20_240_117
_VERSION = 1


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record of the input topic and whether it passes the filter."""

    key: bytes
    value: bytes
    passes: bool


def records(count: int) -> Iterator[InputRecord]:
    """Yield the first ``count`` records; the same ones on every machine and every run.

    Example:
        >>> import json
        >>> first, second = records(2)
        >>> sorted(json.loads(first.value))[:3]
        ['account', 'amount', 'country']
        >>> all(r.passes == (json.loads(r.value)["amount"] > LIMIT) for r in records(100))
        True
    """
    rng = random.Random(_SEED)
    draw = rng.randrange
    for number in range(count):
        cents = draw(200_000)
        account = f"acc-{draw(10_000):04d}"
        value = (
            f'{{"id":"tx-{number:07d}","account":"{account}","amount":{cents / 100:.2f},'
            f'"currency":"EUR","merchant":"m{draw(100):02d}","country":"DE",'
            f'"timestamp":{FIRST_TIMESTAMP + number},"online":{"true" if cents & 1 else "false"}}}'
        )
        yield InputRecord(account.encode(), value.encode(), cents > 100 * LIMIT)


def expected_outputs(count: int) -> int:
    """Return how many of the first ``count`` records pass; no contender is asked for it."""
    return sum(record.passes for record in records(count))


def input_topic(count: int) -> str:
    """Return the topic that holds exactly the first ``count`` records.

    The name carries the count and the generator's version, so a topic left by an earlier
    run is used again instead of being filled twice.
    """
    return f"bench-flag-in-v{_VERSION}-{count}"


def is_right_output(source: dict[str, Any], output: dict[str, Any]) -> bool:
    """Tell whether ``output`` is ``source`` with ``flagged`` added and nothing else changed."""
    return source["amount"] > LIMIT and output == {**source, "flagged": True}
