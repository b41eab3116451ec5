"""Rows that are in memory already: for tests, examples and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sabot.errors import SchemaMismatchError
from sabot.types import RawBatch

__all__ = ["MemorySource"]


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """A bounded source over record batches, read in the order given.

    Attributes:
        batches: The rows; batches may differ in schema, as the records of a topic may.
    """

    batches: tuple[pa.RecordBatch, ...]

    @classmethod
    def from_batches(cls, batches: Iterable[Any]) -> MemorySource:
        """Take record batches, or tables, whose chunks become batches.

        Raises:
            SchemaMismatchError: For anything else, naming what was given.
        """
        if isinstance(batches, pa.RecordBatch | pa.Table):
            batches = [batches]
        taken: list[pa.RecordBatch] = []
        for number, batch in enumerate(batches):
            if isinstance(batch, pa.RecordBatch):
                taken.append(batch)
            elif isinstance(batch, pa.Table):
                taken.extend(batch.to_batches())
            else:
                raise SchemaMismatchError(
                    f"from_batches takes pyarrow.RecordBatch or pyarrow.Table; item {number} "
                    f"is {type(batch).__name__}; for dicts use Stream.from_pylist"
                )
        return cls(tuple(taken))

    @classmethod
    def from_pylist(
        cls, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None
    ) -> MemorySource:
        """Take dicts; a key that is missing in one of them is null there.

        Without a schema the columns are the keys in the order they first appear and
        Arrow infers the types from all rows.
        """
        if schema is not None:
            return cls((pa.RecordBatch.from_pylist(list(rows), schema=schema),))
        names: dict[str, None] = {}
        for row in rows:
            names.update(dict.fromkeys(row))
        if not names:
            return cls((pa.RecordBatch.from_struct_array(pa.nulls(len(rows), pa.struct([]))),))
        arrays = [pa.array([row.get(name) for row in rows]) for name in names]
        return cls((pa.RecordBatch.from_arrays(arrays, names=list(names)),))

    @property
    def title(self) -> str:
        """One line for people."""
        rows = sum(batch.num_rows for batch in self.batches)
        return f"memory, {rows} rows in {len(self.batches)} batches"

    @property
    def bounded(self) -> bool:
        """Memory ends."""
        return True

    def read(self) -> Iterator[RawBatch]:
        """Yield the batches in order."""
        for batch in self.batches:
            yield RawBatch(records=(), values=(), columns=batch, size=int(batch.nbytes))
