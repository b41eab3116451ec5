"""Records that wait for the transaction of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from sabot.kafka.producer import ROW_FAULTS, Outgoing, Parcel, Undelivered

__all__ = ["HeldParcel"]


@dataclass(slots=True, eq=False)
class HeldParcel(Parcel):
    """Records that wait for a transaction.

    Attributes:
        bad: By its place, why a record is refused also when it is alone.
        gone: The places of records that a policy has let go.
        amended: What is sent in the place of a record.
    """

    is_held: ClassVar[bool] = True

    bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    amended: dict[int, Outgoing] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes of all keys and values."""
        return _bytes(self.values) + _bytes(self.keys)

    def outgoing(self, number: int) -> Outgoing:
        """Return a record as it is to be sent."""
        if number in self.amended:
            return self.amended[number]
        return Outgoing(
            self.values[number],
            self.keys[number] if self.keys else None,
            self.timestamps[number] if self.timestamps else 0,
            self.headers[number] if self.headers else None,
            self.rows[number] if self.rows else number,
        )

    def remaining(self) -> list[int]:
        """Return the places of the records that are to be sent."""
        return [number for number in range(len(self.values)) if number not in self.gone]

    def refuse(self, number: int, code: str, reason: str) -> None:
        """Take note that a record is refused for itself."""
        self.bad[number] = (code, reason)
        self.refused.append((code, reason, None, None))

    def undelivered(self) -> list[Undelivered]:
        """Return the refused records in the order they were sent."""
        return [
            Undelivered(*self.bad[number], self.outgoing(number), number, self)
            for number in sorted(self.bad)
        ]

    def resolve(self, one: Undelivered) -> None:
        """Leave a refused record out, unless it was amended: then that one is sent."""
        code, reason = self.bad.pop(one.number)
        self.refused.remove((code, reason, None, None))
        if one.number not in self.amended:
            self.gone.add(one.number)
            self.accepted -= 1

    def arrived(self) -> None:
        """Take note that its transaction is committed."""
        self.good = self.accepted
        self.closed = True

    def suspects(self, attempt: Parcel) -> list[int]:
        """Return the places of what may be refused for itself, after an attempt to send.

        The client reports a refusal by key and value, and the broker refuses a whole batch
        for one record in it.
        """
        refused = {(key, value) for code, _, key, value in attempt.refused if code in ROW_FAULTS}
        if not refused:
            return []
        found = []
        for number in self.remaining():
            outgoing = self.outgoing(number)
            if (outgoing.key, outgoing.value) in refused:
                found.append(number)
        return found


def _bytes(values: Sequence[bytes | None]) -> int:
    return sum(len(value) for value in values if value is not None)
