"""What the reader of a domain needs of the domain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from sabot.types import RawBatch, TopicPartition

__all__ = ["ReaderPort"]


class ReaderPort(Protocol):
    """What the reader needs of its domain; called on the reader's thread, never for long."""

    def arrived(self, batch: RawBatch) -> None:
        """Take what was read; must not block."""
        ...

    def blocked(self, partitions: Collection[TopicPartition]) -> frozenset[TopicPartition]:
        """Return those of the partitions that must not be read now."""
        ...

    def wait_for_idle(self, timeout: float) -> None:
        """Wait until some actor has nothing to do, at most ``timeout`` seconds."""
        ...

    def wait_for_room(self, timeout: float) -> None:
        """Wait until something is no longer full, at most ``timeout`` seconds."""
        ...

    def assigned(self, positions: Mapping[TopicPartition, tuple[int, int, str]]) -> None:
        """Take note of new partitions: start offset, epoch, metadata of the commit."""
        ...

    def revoking(self, partitions: Collection[TopicPartition]) -> None:
        """Finish and commit what can be; the partitions are released on return."""
        ...

    def released(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        """Forget the partitions; if ``lost`` they belong to someone else already."""
        ...

    def failed(self, error: BaseException) -> None:
        """Take note that reading has ended for this reason."""
        ...
