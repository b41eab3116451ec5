"""`StatefulOperator`: a function of each row and of what is kept under the row's key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from sabot.errors import FunctionResultError, InternalError, KeyMissingError
from sabot.state.value import value_bytes, value_of
from sabot.types import Batch, SourceRecord

__all__ = ["KeyedState", "StatefulOperator"]

_ABSENT = object()


class KeyedState(Protocol):
    """What is kept for the keys of one partition, as bytes."""

    def get(self, key: bytes) -> bytes | None: ...
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...


@dataclass(slots=True)
class _Layer:
    """What a batch has changed in one partition, as long as it is not settled.

    Attributes:
        current: Key to the state the next row finds.
        log: Offset, key and the bytes to keep (``None`` to forget), in order.
    """

    current: dict[bytes, Any] = field(default_factory=dict)
    log: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)


class StatefulOperator:
    """Calls ``function(state, row)`` for each row, in order.

    What it changes stays in a layer of its own until the caller says up to which offset
    the rows are done (`settle`), so that a row that is held back or tried again finds the
    state as it was before that row.

    Args:
        function: Returns ``(state, output)``.
        name: The step's name.
        store: The name of the state.
        key: The column with the record's key, where it is not to be taken from records.
    """

    repeatable = False

    def __init__(
        self,
        function: Callable[[Any, dict[str, Any]], Any],
        *,
        name: str,
        store: str,
        key: str | None = None,
    ) -> None:
        self.name = name
        self.store = store
        self._function = function
        self._key = key
        self._states: dict[int, KeyedState] = {}
        self._layers: dict[int, _Layer] = {}
        self._make: Callable[[], KeyedState] | None = None

    # --- partitions -----------------------------------------------------------------

    def assign(self, partition: int, state: KeyedState) -> None:
        """Use this state for the rows of a partition from now on."""
        self._states[partition] = state
        self._layers.pop(partition, None)

    def assign_all(self, make: Callable[[], KeyedState]) -> None:
        """Make state for each partition when its first row comes; for runs without any."""
        self._make = make

    def release(self, partition: int) -> None:
        """Forget a partition."""
        self._states.pop(partition, None)
        self._layers.pop(partition, None)

    def settle(self, partition: int, below: int | None = None) -> None:
        """Keep what rows changed, of those below an offset only, and drop the rest.

        Args:
            partition: The partition.
            below: The first offset that is not done; without it, all are.
        """
        layer = self._layers.pop(partition, None)
        if layer is None:
            return
        state = self._states[partition]
        kept = {key: value for offset, key, value in layer.log if below is None or offset < below}
        for key, value in kept.items():
            if value is None:
                state.delete(key)
            else:
                state.put(key, value)

    def drop(self) -> None:
        """Drop what is not settled, of all partitions."""
        self._layers.clear()

    # --- rows -----------------------------------------------------------------------

    def process(self, batch: Batch) -> Batch:
        """Return what the function makes of all rows; the first that fails raises."""
        made: list[dict[str, Any]] = []
        numbers: list[int] = []
        for row, values in enumerate(batch.columns.to_pylist()):
            number = batch.record_number(row)
            outputs = self.take(values, batch, number)
            made += outputs
            numbers += [number] * len(outputs)
        return self.rows_of(made, numbers, batch)

    def take(self, row: dict[str, Any], batch: Batch, number: int) -> list[dict[str, Any]]:
        """Call the function for one row; return its outputs.

        Args:
            row: The row's values.
            batch: The batch it is of.
            number: The number of the record it came from.

        Raises:
            KeyMissingError: If there is no key to keep the state under.
            FunctionResultError: If the function does not return what it must.
        """
        records = batch.origin.records
        record = records[number] if records else None
        partition = 0 if record is None else record.partition()
        offset = number if record is None else record.offset()
        key = self._key_of(row, record)
        layer = self._layers.get(partition)
        if layer is None:
            layer = self._layers[partition] = _Layer()
        before = layer.current.get(key, _ABSENT)
        if before is _ABSENT:
            before = self._kept(partition, key)
        try:
            result = self._function(before, row)
            after, outputs = self._checked(result, batch)
            kept = None if after is None else self._bytes(after, batch)
        except BaseException:
            # The function may have changed the object it was given.
            self._restore(layer, key)
            raise
        layer.current[key] = after
        layer.log.append((offset, key, kept))
        return outputs

    def rows_of(self, made: Sequence[dict[str, Any]], numbers: list[int], batch: Batch) -> Batch:
        """Return outputs as a batch whose rows know the records they came from."""
        index = pa.array(numbers, pa.int32())
        if not made:
            return Batch(pa.record_batch([], names=[]), batch.origin, index, batch.decoded)
        try:
            rows = pa.RecordBatch.from_pylist(_widened(made))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise self._refuse(f"returned outputs that make no columns: {error}", batch) from error
        return Batch(rows, batch.origin, index, batch.decoded)

    def _kept(self, partition: int, key: bytes) -> Any:
        state = self._states.get(partition)
        if state is None and self._make is not None:
            state = self._states[partition] = self._make()
        if state is None:
            raise InternalError(f"step {self.name!r} has no state for partition {partition}")
        value = state.get(key)
        return None if value is None else value_of(value)

    @staticmethod
    def _restore(layer: _Layer, key: bytes) -> None:
        last = next((kept for _, logged, kept in reversed(layer.log) if logged == key), _ABSENT)
        if last is _ABSENT:
            layer.current.pop(key, None)
        else:
            layer.current[key] = None if last is None else value_of(last)  # type: ignore[arg-type]

    def _key_of(self, row: dict[str, Any], record: SourceRecord | None) -> bytes:
        own = None if record is None else record.key()
        if self._key is None:
            if own is None:
                raise KeyMissingError(
                    f"step {self.name!r} keeps state by key, and the record has none"
                    + ("; name a column with key=" if record is None else ""),
                    step=self.name,
                )
            return own
        if self._key not in row:
            raise KeyMissingError(
                f"step {self.name!r} keeps state by column {self._key!r}, which the row has "
                f"not; it has {', '.join(map(repr, row)) or 'none'}",
                step=self.name,
            )
        value = row[self._key]
        key = value if isinstance(value, bytes) else None if value is None else str(value).encode()
        if key is None or (record is not None and key != own):
            raise KeyMissingError(
                f"step {self.name!r} keeps state by column {self._key!r}, which is {value!r} "
                f"where the record's key is {own!r}; state is kept per partition, so they must "
                "be equal: write the rows to a topic with that key first "
                "(to_kafka(key_extractor=...))",
                step=self.name,
            )
        return key

    def _checked(self, result: Any, batch: Batch) -> tuple[Any, list[dict[str, Any]]]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise self._refuse(
                f"returned {type(result).__name__} {result!r:.60}; it must return (state, output)",
                batch,
            )
        after, output = result
        if output is None:
            return after, []
        outputs = output if isinstance(output, list) else [output]
        for each in outputs:
            if not isinstance(each, dict):
                raise self._refuse(
                    f"returned {type(each).__name__} {each!r:.60} as an output; allowed are a "
                    "dict, a list of dicts, or None",
                    batch,
                )
        return after, outputs

    def _bytes(self, state: Any, batch: Batch) -> bytes:
        try:
            return value_bytes(state)
        except TypeError as error:
            raise self._refuse(f"returned a state that cannot be kept: {error}", batch) from error

    def _refuse(self, text: str, batch: Batch) -> FunctionResultError:
        names = ", ".join(map(repr, batch.schema.names)) or "no columns"
        return FunctionResultError(
            f"the function of step {self.name!r} {text}; its input has {names}", step=self.name
        )


def _widened(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the names of all of them; Arrow looks at the first row's only."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return [{name: row.get(name) for name in names} for row in rows]
