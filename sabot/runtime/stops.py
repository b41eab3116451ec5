"""Failures that withhold what is behind them, and batches without what is withheld."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pyarrow as pa

from sabot.runtime.faults import RowFault
from sabot.types import Batch, TopicPartition

__all__ = ["Stops", "before", "keep", "merge", "without"]

Stops = Mapping[TopicPartition | None, RowFault]
"""Per partition the first failure that withholds it and all behind it."""


def merge(into: dict[TopicPartition | None, RowFault], more: Stops) -> None:
    """Add failures, keeping of each partition's the first."""
    for tp, fault in more.items():
        known = into.get(tp)
        if known is None or fault.offset < known.offset:
            into[tp] = fault


def before(batch: Batch, stops: Stops) -> Batch:
    """Leave out the rows at and behind the failures that withhold them."""
    if not stops or batch.num_rows == 0:
        return batch
    return keep(batch, lambda tp, offset: tp not in stops or offset < stops[tp].offset)


def keep(batch: Batch, wanted: Callable[[TopicPartition | None, int], bool]) -> Batch:
    """Leave out the rows whose partition and offset are not wanted."""
    records = batch.origin.records
    numbers = batch.record_numbers()
    if records:
        mask = [
            wanted(
                TopicPartition(records[number].topic(), records[number].partition()),
                records[number].offset(),
            )
            for number in numbers
        ]
    else:
        mask = [wanted(None, number) for number in numbers]
    if all(mask):
        return batch
    return batch.filter(pa.array(mask, pa.bool_()))


def without(batch: Batch, numbers: Collection[int]) -> Batch:
    """Leave out the rows that were made of these records."""
    rows = [row for row, number in enumerate(batch.record_numbers()) if number not in numbers]
    return batch.take(pa.array(rows, pa.int32()))
