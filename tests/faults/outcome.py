"""What a scenario found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the fault report.

    Attributes:
        name: The scenario, such as ``F1``.
        done: What was done to the workers.
        guarantee: What was promised.
        rounds: How often it was done.
        records: How many records went in.
        lost: How many did not come out.
        duplicates: How many rows came out that had come out before.
        longest_stall_seconds: The longest time without output while there was input.
        passed: Whether all that was promised was kept.
        note: What was found beside it; for a failure the claim that does not hold.
    """

    name: str
    done: str
    guarantee: str
    rounds: int
    records: int
    lost: int
    duplicates: int
    longest_stall_seconds: float
    passed: bool
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{'pass' if self.passed else 'FAIL'}  {self.name} {self.done}, {self.guarantee}: "
            f"{self.rounds} rounds, {self.records} records, {self.lost} lost, "
            f"{self.duplicates} duplicates, longest stall {self.longest_stall_seconds:.1f} s"
            f"{'; ' if self.note else ''}{self.note}"
        )
