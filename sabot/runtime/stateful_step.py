"""Running a step that keeps state: row by row, so that one bad row costs one row."""

from __future__ import annotations

from typing import Any

from sabot.errors import FunctionResultError, InternalError, PlanError
from sabot.operators.stateful import StatefulOperator
from sabot.runtime.faults import RowFault, partition_of
from sabot.runtime.policy import ErrorPolicy, Stage, is_transient_cause
from sabot.runtime.python_values import python_rows
from sabot.types import Batch, TopicPartition

__all__ = ["run_stateful"]


def run_stateful(
    operator: StatefulOperator, batch: Batch, policy: ErrorPolicy, *, halts: bool
) -> tuple[Batch, list[RowFault]]:
    """Run a step over a batch; return what came out and the rows that failed.

    A row that fails leaves its state as it was. Where it withholds those behind it in its
    partition, the function is not called for these.

    Args:
        operator: The step.
        batch: Its input.
        policy: Says which errors are transient.
        halts: Whether a failing row withholds what is behind it.

    Raises:
        FunctionResultError: If the step's function is at fault, whatever the row.
    """
    made: list[dict[str, Any]] = []
    numbers: list[int] = []
    faults: list[RowFault] = []
    halted: set[TopicPartition | None] = set()
    rows, unfit = python_rows(batch.columns)
    for row, values in enumerate(rows):
        if halted and partition_of(batch, row) in halted:
            continue
        number = batch.record_number(row)
        try:
            if row in unfit:
                raise unfit[row]
            outputs = operator.take(values, batch, number)
        except (FunctionResultError, PlanError, InternalError):
            raise
        except Exception as error:
            transient = is_transient_cause(error, policy)
            fault = RowFault(batch.origin, number, Stage.PROCESS, operator.name, error, transient)
            faults.append(fault)
            if halts or transient:
                halted.add(fault.partition)
            continue
        made += outputs
        numbers += [number] * len(outputs)
    return operator.rows_of(made, numbers, batch), faults
