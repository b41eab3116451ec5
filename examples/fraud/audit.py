"""Counts in the topics themselves whether what came out is what should have.

It asks the broker where the topics end and reads the transactions back, past the app and
its counters.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from examples.fraud.transactions import KINDS, LIMIT
from sabot.errors import BrokerError
from sabot.kafka.admin import end_offsets, tail
from sabot.types import Record, TopicPartition

__all__ = ["Audit", "audit"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What should be there and what is.

    Attributes:
        written: Transactions in the input topic.
        dropped: Those of them that the broker keeps no longer, so that nobody can count.
        read: Those before the offsets at which the app stopped.
        expected: Topic to the number of records the transactions that were read make.
        found: Topic to the number of records it holds.
    """

    written: int
    dropped: int
    read: int
    expected: Mapping[str, int]
    found: Mapping[str, int]

    def faults(self, *, complete: bool) -> list[str]:
        """Return what does not add up.

        Args:
            complete: Whether every transaction should have been read; not so where
                somebody stopped the app halfway.
        """
        if self.dropped:
            return [f"the broker has dropped {self.dropped:,} transactions; nobody can count them"]
        wrong = [
            f"{topic} has {self.found[topic]:,} records instead of {count:,}"
            for topic, count in self.expected.items()
            if self.found[topic] != count
        ]
        if complete and self.read != self.written:
            wrong.insert(0, f"only {self.read:,} of {self.written:,} transactions were read")
        return wrong

    def lines(self) -> list[str]:
        """Return the account, line by line."""
        left = self.written - self.read
        rest = f", {left:,} left for the next start" if left else ""
        shown = [
            ("transactions", self.written, f"{self.read:,} read by the pipeline{rest}"),
            *(
                (topic, found, _verdict(found, self.expected[topic], topic))
                for topic, found in self.found.items()
            ),
        ]
        width = max(len(topic) for topic, _, _ in shown)
        return [f"  {topic.ljust(width)} {found:>9,}   {words}" for topic, found, words in shown]


def audit(broker: str, stopped_at: Mapping[str, int]) -> Audit:
    """Count.

    Args:
        broker: The cluster.
        stopped_at: ``topic[partition]`` to the offset the app committed last.
    """
    ends = end_offsets(broker, "transactions")
    written = sum(ends.values())
    kinds: Counter[str] = Counter()
    flagged = read = kept = 0
    for record in _kept(broker, ends):
        kept += 1
        if record.offset >= stopped_at.get(f"transactions[{record.partition}]", 0):
            continue
        transaction = json.loads(record.value)
        read += 1
        kinds[transaction["type"]] += 1
        flagged += transaction["amount"] > LIMIT
    expected = {"flagged-transactions": flagged}
    expected |= {f"{kind}-transactions": kinds[kind] for kind in KINDS}
    found = {topic: _count(broker, topic) for topic in expected}
    return Audit(written, written - kept, read, expected, found)


def _kept(broker: str, ends: Mapping[TopicPartition, int]) -> Iterator[Record]:
    """Yield the transactions up to these ends."""
    unread = {place for place, end in ends.items() if end > 0}
    if not unread:
        return
    for record in tail(broker, "transactions", from_beginning=True):
        place = TopicPartition(record.topic, record.partition)
        if record.offset < ends[place]:
            yield record
        if record.offset >= ends[place] - 1:
            unread.discard(place)
        if not unread:
            return


def _count(broker: str, topic: str) -> int:
    try:
        return sum(end_offsets(broker, topic, timeout=2.0).values())
    except BrokerError:
        # Nobody has written there yet.
        return 0


def _verdict(found: int, expected: int, topic: str) -> str:
    what = f"above {LIMIT:,.0f}" if topic.startswith("flagged") else "of this type"
    if found == expected:
        return f"= the transactions {what}, counted again"
    return f"but {expected:,} transactions {what}, counted again"
