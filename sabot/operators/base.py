"""What every operator is to the runtime."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sabot.types import Batch

__all__ = ["Operator"]


@runtime_checkable
class Operator(Protocol):
    """A step that turns one batch into another.

    An operator does no I/O of its own, keeps nothing of a batch for a later one, and
    leaves the batch it is given as it is. It may return fewer, more or other rows; each
    row it returns has the number of the record it came from (`Batch.index`), and
    `Batch.intact` names only columns that still hold what the record said. A batch
    without rows never reaches a user's function.

    What a user's function raises goes through unchanged: the caller knows which records
    are at stake and decides. Operators are used by one thread at a time.
    """

    name: str
    """The step's name, for messages and metrics."""

    repeatable: bool
    """Whether a batch, or a part of it, may be processed again after an error.

    False where the function acts on the outside and must see each row once: then the
    batch is never split to find the row that failed.
    """

    def process(self, batch: Batch) -> Batch:
        """Return what the step makes of a batch."""
        ...
