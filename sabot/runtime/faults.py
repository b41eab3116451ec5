"""Running a step so that one bad row costs one row.

A step that raises for a batch is run again on its halves until the failing rows stand
alone; the others go on, in order. That is why functions must be repeatable; those that
are not get one row at a time from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from sabot.columns.lineage import common_stems
from sabot.errors import FunctionResultError, InternalError, PlanError, ProcessingError
from sabot.kafka.dead_letter import dead_letter_of
from sabot.kafka.producer import Outgoing
from sabot.operators.base import Operator
from sabot.runtime.policy import ErrorPolicy, Stage, is_transient_cause
from sabot.types import Batch, RawBatch, TopicPartition

__all__ = [
    "BatchFaultError",
    "RowFault",
    "TransientFaultError",
    "concat",
    "fatal",
    "partition_of",
    "run_step",
]

_RECORD = "__sabot_record__"

_WHOLE_BATCH = 10
"""From this many rows on, a batch that fails in every row by one class is no row's fault."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """One record that failed.

    Attributes:
        number: The record's number in ``origin``.
        stage, step: Where it failed.
        error: The cause.
        transient: Whether the cause may pass by itself.
    """

    origin: RawBatch
    number: int
    stage: Stage
    step: str
    error: Exception
    transient: bool = False

    @property
    def where(self) -> str:
        """``topic[partition]@offset``."""
        return self.origin.where(self.number)

    @property
    def partition(self) -> TopicPartition | None:
        """The record's partition; ``None`` for rows that never were records."""
        if not self.origin.records:
            return None
        record = self.origin.records[self.number]
        return TopicPartition(record.topic(), record.partition())

    @property
    def offset(self) -> int:
        """The record's offset, or the row's number where there are no records."""
        if not self.origin.records:
            return self.number
        return self.origin.records[self.number].offset()

    @property
    def key(self) -> bytes | None:
        """The record's key."""
        return self.origin.records[self.number].key() if self.origin.records else None

    def as_letter(self, attempt: int, application: str) -> Outgoing:
        """Return the record as a dead letter: its own bytes, and headers that say why."""
        return dead_letter_of(
            self.origin.records[self.number],
            error=self.error,
            step=self.step,
            attempt=attempt,
            application=application,
        )

    def as_error(self) -> ProcessingError:
        """Return the error that names the record, its key and the cause."""
        key = f", key {self.key!r}" if self.key is not None else ""
        error = ProcessingError(
            f"step {self.step!r} failed for {self.where}{key}: "
            f"{type(self.error).__name__}: {self.error}",
            step=self.step,
            where=self.where,
            key=self.key,
        )
        error.__cause__ = self.error
        return error


def fatal(fault: RowFault) -> ProcessingError:
    """Return the error that ends a pipeline at a record; no restart is tried."""
    error = fault.as_error()
    error.fatal = True
    return error


class BatchFaultError(ProcessingError):
    """A step failed for every row of a batch in the same way: none of them is to blame."""


class TransientFaultError(ProcessingError):
    """A step failed for a reason that may pass by itself."""

    retriable: ClassVar[bool] = True


def run_step(
    operator: Operator, batch: Batch, policy: ErrorPolicy, *, halts: bool
) -> tuple[Batch, list[RowFault]]:
    """Run a step over a batch; return what came out and the rows that failed.

    Args:
        operator: The step.
        batch: Its input; never changed.
        policy: Says which errors are transient.
        halts: Whether the rows behind a failing one, in its partition, are withheld. A
            step that must not be repeated is not called for those.

    Raises:
        TransientFaultError: If the cause may pass; nothing of the batch was let through.
        BatchFaultError: If every row failed in the same way.
        FunctionResultError: If the step's function is at fault, whatever the row.
    """
    if batch.num_rows == 0:
        return operator.process(batch), []
    if not operator.repeatable:
        return _one_by_one(operator, batch, policy, halts=halts)
    try:
        return operator.process(batch), []
    except Exception as error:
        _raise_if_not_a_rows(operator, batch, error, policy)
        good: list[Batch] = []
        faults: list[RowFault] = []
        _bisect(operator, batch, error, policy, (good, faults))
        if (
            len(faults) == batch.num_rows >= _WHOLE_BATCH
            and len({type(f.error) for f in faults}) == 1
        ):
            raise _batch_fault(operator, batch, error) from error
        return concat(good, batch), faults


def _raise_if_not_a_rows(
    operator: Operator, batch: Batch, error: Exception, policy: ErrorPolicy
) -> None:
    if isinstance(error, FunctionResultError | PlanError | InternalError):
        raise error
    if is_transient_cause(error, policy):
        raise TransientFaultError(
            f"step {operator.name!r} failed for {batch.num_rows} rows from {batch.where(0)} on: "
            f"{type(error).__name__}: {error}; it is tried again",
            step=operator.name,
            where=batch.where(0),
        ) from error


def _batch_fault(operator: Operator, batch: Batch, error: Exception) -> BatchFaultError:
    return BatchFaultError(
        f"step {operator.name!r} failed for each of {batch.num_rows} rows from {batch.where(0)} "
        f"on: {type(error).__name__}: {error}",
        step=operator.name,
        where=batch.where(0),
    )


def _bisect(
    operator: Operator,
    batch: Batch,
    error: Exception,
    policy: ErrorPolicy,
    outcome: tuple[list[Batch], list[RowFault]],
) -> None:
    good, faults = outcome
    if batch.num_rows == 1:
        faults.append(_fault(operator, batch, 0, error, policy))
        return
    middle = batch.num_rows // 2
    for half in (batch.slice(0, middle), batch.slice(middle, batch.num_rows - middle)):
        try:
            good.append(operator.process(half))
        except Exception as again:
            _raise_if_not_a_rows(operator, half, again, policy)
            _bisect(operator, half, again, policy, outcome)


def _one_by_one(
    operator: Operator, batch: Batch, policy: ErrorPolicy, *, halts: bool
) -> tuple[Batch, list[RowFault]]:
    good: list[Batch] = []
    faults: list[RowFault] = []
    halted: set[TopicPartition | None] = set()
    for row in range(batch.num_rows):
        alone = batch.slice(row, 1)
        if halted and partition_of(batch, row) in halted:
            continue
        try:
            good.append(operator.process(alone))
        except (FunctionResultError, PlanError, InternalError):
            raise
        except Exception as error:
            fault = _fault(operator, alone, 0, error, policy)
            faults.append(fault)
            if halts or fault.transient:
                halted.add(fault.partition)
    return concat(good, batch), faults


def partition_of(batch: Batch, row: int) -> TopicPartition | None:
    """Return the partition a row came from."""
    if not batch.origin.records:
        return None
    record = batch.origin.records[batch.record_number(row)]
    return TopicPartition(record.topic(), record.partition())


def _fault(
    operator: Operator, batch: Batch, row: int, error: Exception, policy: ErrorPolicy
) -> RowFault:
    transient = is_transient_cause(error, policy)
    number = batch.record_number(row)
    return RowFault(batch.origin, number, Stage.PROCESS, operator.name, error, transient)


def concat(parts: Sequence[Batch], like: Batch) -> Batch:
    """Put parts of one batch together again; columns they disagree on are widened.

    With no part at all the result has no rows.
    """
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return like.slice(0, 0)
    table = pa.concat_tables(
        [pa.Table.from_batches([_numbered(part)]) for part in parts], promote_options="permissive"
    ).combine_chunks()
    batches = table.to_batches()
    rows = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    number = rows.schema.get_field_index(_RECORD)
    first = parts[0]
    intact = first.intact.intersection(*(part.intact for part in parts))
    index = rows.column(number)
    rows = rows.remove_column(number)
    stems = common_stems(parts, rows.schema.names, intact)
    return Batch(rows, like.origin, index, first.decoded, intact, stems)


def _numbered(part: Batch) -> pa.RecordBatch:
    # As a column, since a table without any forgets how many rows it has.
    return part.columns.append_column(_RECORD, part.index_array())
