"""What an oracle found, and the claims that may be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sabot.types import TopicPartition

__all__ = ["Disorder", "Report", "Stuck"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Disorder:
    """A row that left before another of its key that had come in earlier.

    Attributes:
        key: The key.
        seq: The row's number within its key.
        after: The higher number that had left by then.
        where: ``topic[partition]@offset`` of the row.
    """

    key: str
    seq: int
    after: int
    where: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """A partition whose commit did not reach its end in time.

    Attributes:
        committed: The committed offset; ``None`` where there is none.
        end: The offset after the last record.
    """

    committed: int | None
    end: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the records that were written.

    Attributes:
        seed: What the input was made with.
        written: Records in the input.
        rows: Rows in the output.
        lost: Ids that should have come out and did not.
        duplicates: Ids that came out more than once, and how often.
        strangers: Ids that came out and should not have.
        disorder: Rows out of order within their key, repeats left out.
        table: Per key the expected and the found value, where they differ; ``None`` where
            no table was checked.
        stuck: Partitions that made no way; ``None`` where no group was watched.
        longest_stall: Seconds in which the group, watched to the end of its input, did not
            commit anything.
    """

    seed: int
    written: int
    rows: int
    lost: Sequence[int] = ()
    duplicates: Mapping[int, int] = field(default_factory=dict)
    strangers: Sequence[int] = ()
    disorder: Sequence[Disorder] = ()
    table: Mapping[str, tuple[Any, Any]] | None = None
    stuck: Mapping[TopicPartition, Stuck] | None = None
    longest_stall: float = 0.0

    def assert_nothing_lost(self) -> None:
        """Every record that was written has come out.

        Raises:
            AssertionError: If not, with the first ids.
        """
        self._claim(not self.lost, f"{len(self.lost)} lost: {_few(self.lost)}")

    def assert_no_duplicates(self) -> None:
        """No record has come out twice, and none that was not to.

        Raises:
            AssertionError: If one has, with the first ids.
        """
        self._claim(
            not self.duplicates, f"{len(self.duplicates)} came out again: {_few(self.duplicates)}"
        )
        self._claim(
            not self.strangers, f"{len(self.strangers)} should not be there: {_few(self.strangers)}"
        )

    def assert_in_order(self) -> None:
        """Each key's records have come out in the order they went in, repeats apart.

        Raises:
            AssertionError: If not, with the first of them.
        """
        self._claim(not self.disorder, f"{len(self.disorder)} out of order: {_few(self.disorder)}")

    def assert_progress(self) -> None:
        """The group committed the end of every partition in time.

        Raises:
            AssertionError: If it did not, or no group was watched.
        """
        self._claim(self.stuck is not None, "no group was watched")
        stuck = {str(tp): each for tp, each in (self.stuck or {}).items()}
        self._claim(not stuck, f"{len(stuck)} partitions are stuck: {_few(stuck.items())}")

    def assert_table(self) -> None:
        """The table is the fold of its input.

        Raises:
            AssertionError: If it is not, or no table was checked.
        """
        self._claim(self.table is not None, "no table was checked")
        table = self.table or {}
        self._claim(not table, f"{len(table)} keys differ (expected, found): {_few(table.items())}")

    def _claim(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise AssertionError(f"{otherwise}\n{self}")

    def __str__(self) -> str:
        text = (
            f"{self.written} written, {self.rows} rows, {len(self.lost)} lost, "
            f"{sum(self.duplicates.values()) - len(self.duplicates)} repeated, "
            f"{len(self.disorder)} out of order"
        )
        if self.table is not None:
            text += f", {len(self.table)} keys of the table differ"
        if self.stuck is not None:
            text += (
                f", {len(self.stuck)} partitions stuck, longest stall {self.longest_stall:.1f} s"
            )
        return f"{text} (seed {self.seed})"


def _few(found: Any) -> str:
    items = list(found)
    shown = ", ".join(str(each) for each in items[:_SHOWN])
    return shown if len(items) <= _SHOWN else f"{shown}, ..."
