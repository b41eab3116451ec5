"""`MemoryStore`: state in a dict, gone with the process and restored from the changelog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps everything in memory.

    Example:
        >>> store = MemoryStore()
        >>> store.write({b"a": b"1", b"b": b"2"}, position=7)
        >>> store.write({b"a": None}, position=8)
        >>> store.get(b"b"), list(store.scan()), store.position
        (b'2', [(b'b', b'2')], 8)
    """

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._position = 0

    @property
    def position(self) -> int:
        """The next changelog offset that is not in the store yet."""
        return self._position

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, or ``None`` for it."""
        return [self._values.get(key) for key in keys]

    def write(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        """Take changes over, and the position behind them."""
        values = self._values
        for key, value in changes.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        self._position = position

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with ``prefix``, in order, as they were at the first."""
        yield from sorted(item for item in self._values.items() if item[0].startswith(prefix))

    def clear(self) -> None:
        """Empty the store."""
        self._values.clear()
        self._position = 0

    def close(self) -> None:
        """Do nothing: the values go with the store."""
