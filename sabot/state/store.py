"""What every store of state is to a shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

__all__ = ["Store"]


@runtime_checkable
class Store(Protocol):
    """Keys and values of one partition, as of a position in its changelog.

    A store holds what is committed and nothing else. Changes and the position they lead to
    become visible, and durable where the store is, together. Used by one thread at a time.
    """

    @property
    def position(self) -> int:
        """The next changelog offset that is not in the store yet; 0 for an empty one."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, or ``None`` for it."""
        ...

    def write(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        """Take changes over (``None`` deletes), and the position behind them.

        Raises:
            StateError: If they cannot be kept; the store is then as it was.
        """
        ...

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with ``prefix``, in order, as they were at the first."""
        ...

    def clear(self) -> None:
        """Empty the store, its position too."""
        ...

    def close(self) -> None:
        """Let go of it; closing twice is fine."""
        ...
