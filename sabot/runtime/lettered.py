"""Which records have been dead-lettered by a step that several branches share.

Branches that have to wait and try again do so on their own, and each of them meets the same
failure in the steps they share. It is one failure, and gets one dead letter.
"""

from __future__ import annotations

from collections.abc import Collection

from sabot.runtime.faults import RowFault
from sabot.types import TopicPartition

__all__ = ["Lettered"]


class Lettered:
    """Remembers dead letters for as long as a branch may come to the same record again.

    That a letter was handed over is enough: no branch's position is committed before it has
    arrived.
    """

    def __init__(self) -> None:
        self._sent: dict[TopicPartition, set[tuple[int, int, int]]] = {}

    def is_first(self, fault: RowFault, place: object) -> bool:
        """Say whether a record has no dead letter of this place yet, and note that it has.

        Args:
            fault: The failure.
            place: The step, scan or end it failed in, by identity.
        """
        tp = fault.partition
        if tp is None:
            return True
        # Another assignment reads the record anew, and whoever has it then letters it.
        letter = (fault.offset, fault.origin.epochs.get(tp, 0), id(place))
        sent = self._sent.setdefault(tp, set())
        if letter in sent:
            return False
        sent.add(letter)
        return True

    def forget_but(self, waiting: Collection[TopicPartition]) -> None:
        """Forget all but the partitions in which some branch waits."""
        if self._sent:
            self._sent = {tp: sent for tp, sent in self._sent.items() if tp in waiting}
