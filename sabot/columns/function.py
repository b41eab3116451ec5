"""`UserFunction`: calls a user's function on batches and makes sense of what it returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from sabot.columns.batch import BatchView, values_for
from sabot.columns.comparison import Comparisons
from sabot.columns.compute import complete_compute
from sabot.columns.lineage import all_from, by_number, in_order, joined, numbered
from sabot.columns.result import as_mask, as_rows, as_verdict, check_names, describe, refuse
from sabot.errors import FunctionResultError, SabotError, SchemaMismatchError
from sabot.logs import get_logger
from sabot.types import Batch

__all__ = ["UserFunction"]

_OUR_CLASS = re.compile(r"\b(BatchView|Column)\b")

log = get_logger(__name__)


class UserFunction:
    """A function of a step, called eagerly, once for each batch.

    It is never called for a batch without rows, and nothing it computed is kept for
    another batch. It gets a `BatchView`. A function that hands the batch to code which
    takes nothing but a ``pyarrow.RecordBatch`` fails with a TypeError; it is then called
    once more with a RecordBatch proper, and from then on always. That RecordBatch has a
    last column ``__row__``, by which rows that are filtered or sorted are still known;
    it is taken away again from what the function returns.

    Args:
        function: Row-local and repeatable: what it makes of a row depends on nothing but
            the row, and calling it again does no harm.
        step: The step's name, for messages.
        raw: Give it a RecordBatch proper from the start.
        by_row: Give it one row at a time, each of them once.

    Attributes:
        evaluations: How often the function was called.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        step: str,
        raw: bool = False,
        by_row: bool = False,
    ) -> None:
        self.function = function
        self.step = step
        self.evaluations = 0
        self._raw = raw
        self._by_row = by_row
        self._once = by_row
        self._comparisons: Comparisons | None = Comparisons(function)
        complete_compute()

    def mask(self, batch: Batch) -> pa.BooleanArray:
        """Return which rows a predicate keeps; null counts as false.

        Raises:
            FunctionResultError: If the result is no mask for these rows. A bare bool is
                one only if the function looked at no column's values: a comparison that
                went wrong gives a bool as well.
        """
        result, view = self._call(batch)
        verdict = as_verdict(result)
        if verdict is None:
            return as_mask(result, batch, self.step)
        if view is None or view.values_were_read:
            raise refuse(
                self.step,
                f"returned {describe(result)} for {batch.num_rows} rows, one answer for all of "
                "them; compare row by row, by b['name'] == ... or pc.equal(...)",
                batch,
            )
        return pa.repeat(pa.scalar(verdict, pa.bool_()), batch.num_rows)

    def rows(self, batch: Batch) -> Batch:
        """Return the rows a map made, each with the record it came from.

        Rows that come back without any trace of their origin are taken to be the input's
        rows in the input's order if there are as many; if not, the function is called
        again for each row alone, now and for every later batch, and a warning says so.

        Raises:
            FunctionResultError: If the result is no RecordBatch or Table, or names a
                column twice.
        """
        if self._by_row:
            return self._row_by_row(batch, self._rows_of)
        result, view = self._call(batch)
        if view is not None and type(result) is BatchView and result.is_of(view):
            # Its columns need not be made to know what they are.
            check_names(result.batch.schema.names, batch, self.step)
            return result.batch
        rows = as_rows(result, batch, self.step)
        made = self._placed(result, rows, batch, view)
        if made is None and rows.num_rows == batch.num_rows:
            made = in_order(batch, rows)
        return made or self._go_by_row(batch, rows.num_rows, self._rows_of)

    def flat(self, batch: Batch) -> Batch:
        """Return the rows a flat map made: any number of them for each row.

        The function returns a RecordBatch or a Table, or several of them, or dicts. Rows
        without a trace of their origin mean that it is called for each row alone, since
        their number says nothing.

        Raises:
            FunctionResultError: If the result is anything else.
        """
        if self._by_row:
            return self._row_by_row(batch, self._parts_of)
        result, view = self._call(batch)
        parts = self._parts_of(result, batch)
        placed = [self._placed(source, rows, batch, view) for source, rows in parts]
        whole = [part for part in placed if part is not None]
        if len(whole) == len(parts):
            return whole[0] if len(whole) == 1 else joined(batch, whole, self.step)
        count = sum(rows.num_rows for _, rows in parts)
        return self._go_by_row(batch, count, self._parts_of)

    def values(self, batch: Batch, type_: pa.DataType | None = None) -> pa.Array:
        """Return one value for each row: the function's values, or its one value repeated.

        Raises:
            FunctionResultError: If there are more or fewer values than rows, or none.
        """
        result, _ = self._call(batch)
        if result is None or _is_batch(result):
            raise refuse(
                self.step,
                f"returned {describe(result)} where values for {batch.num_rows} rows are needed",
                batch,
            )
        try:
            return values_for(batch, result, type_=type_)
        except (SabotError, pa.ArrowException, TypeError) as error:
            raise refuse(self.step, f"returned {describe(result)}: {error}", batch) from error

    def _call(self, batch: Batch) -> tuple[Any, BatchView | None]:
        """Return the function's result, and the view it got unless it got a RecordBatch."""
        if self._raw:
            return self._evaluate(numbered(batch)), None
        view = BatchView(batch, step=self.step)
        try:
            return self._evaluate(view), view
        except SabotError:
            raise
        except pa.ArrowNotImplementedError as error:
            if "bit_wise_" in str(error) and "bool" in str(error):
                raise SchemaMismatchError(_MASKS_BY_OPERATOR.format(step=self.step)) from error
            raise
        except (TypeError, ValueError) as error:
            if self._once or not _OUR_CLASS.search(str(error)):
                raise
            return self._once_more(batch, error), None

    def _once_more(self, batch: Batch, error: Exception) -> Any:
        """Call with a RecordBatch proper, since a view was refused by what wanted one."""
        try:
            result = self._evaluate(numbered(batch))
        except FunctionResultError:
            raise
        except Exception:  # noqa: BLE001
            # What the user wrote failed with what the documentation promises; that is
            # the error to show, not one about a column they never asked for.
            raise error from None
        self._raw = True
        return result

    def _evaluate(self, argument: Any) -> Any:
        self.evaluations += 1
        watch = self._comparisons
        if watch is None:
            return self.function(argument)
        try:
            return watch.call(lambda: self.function(argument))
        finally:
            if watch.found is not None:
                raise FunctionResultError(
                    f"the function of step {self.step!r}, {watch.found}", step=self.step
                )
            if not watch.watching:
                self._comparisons = None

    def _placed(
        self, source: Any, rows: pa.RecordBatch, batch: Batch, view: BatchView | None
    ) -> Batch | None:
        """Return rows with their origin if they carry it, or if there is only one."""
        if view is not None and type(source) is BatchView and source.is_of(view):
            return source.batch
        made = by_number(batch, rows) if view is None else None
        if made is None and batch.num_rows == 1:
            return all_from(batch, rows)
        return made

    def _rows_of(self, result: Any, batch: Batch) -> list[tuple[Any, pa.RecordBatch]]:
        return [(result, as_rows(result, batch, self.step))]

    def _parts_of(self, result: Any, batch: Batch) -> list[tuple[Any, pa.RecordBatch]]:
        if _is_batch(result) or not isinstance(result, Iterable) or isinstance(result, (str, dict)):
            return self._rows_of(result, batch)
        parts = list(result)
        if all(isinstance(part, dict) for part in parts):
            return [(parts, self._from_dicts(parts, batch))] if parts else []
        return [(part, as_rows(part, batch, self.step)) for part in parts]

    def _from_dicts(self, rows: list[dict[str, Any]], batch: Batch) -> pa.RecordBatch:
        # Arrow's own way takes the first row's keys for all and forgets the others.
        names = list(dict.fromkeys(name for row in rows for name in row))
        try:
            return pa.RecordBatch.from_pylist(
                [dict.fromkeys(names) | row for row in rows] if len(rows) > 1 else rows
            )
        except (pa.ArrowException, TypeError) as error:
            raise refuse(
                self.step, f"returned dicts that do not go together: {error}", batch
            ) from error

    def _go_by_row(
        self,
        batch: Batch,
        count: int,
        parts_of: Callable[[Any, Batch], Sequence[tuple[Any, pa.RecordBatch]]],
    ) -> Batch:
        log.warning(
            "function is called for each row alone, which is slow: rows came back without "
            "a trace of the records they came from; begin with the batch that is given "
            "(b.filter, b.take, b.sort_by, b.append_column, ...) to keep it",
            step=self.step,
            rows_in=batch.num_rows,
            rows_out=count,
        )
        self._by_row = True
        return self._row_by_row(batch, parts_of)

    def _row_by_row(
        self,
        batch: Batch,
        parts_of: Callable[[Any, Batch], Sequence[tuple[Any, pa.RecordBatch]]],
    ) -> Batch:
        made: list[Batch] = []
        for number in range(batch.num_rows):
            row = batch.slice(number, 1)
            result, view = self._call(row)
            for source, rows in parts_of(result, row):
                placed = self._placed(source, rows, row, view)
                assert placed is not None  # one row leaves no doubt
                made.append(placed)
        return made[0] if len(made) == 1 else joined(batch, made, self.step)


def _is_batch(result: Any) -> bool:
    return type(result) is BatchView or isinstance(result, (pa.RecordBatch, pa.Table))


_MASKS_BY_OPERATOR = (
    "the function of step {step!r} joins masks by & | ^ with a plain Arrow mask on the left, which "
    "takes these for bits; write pc.and_kleene(...) or pc.or_kleene(...), or compare columns "
    "as the batch gives them: (b['x'] > 1) & (b['y'] == 'a')"
)
