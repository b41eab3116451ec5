"""A shard: what one step keeps for one partition, with what is not committed yet on top."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sabot.state.store import Store

__all__ = ["Delta", "Shard"]


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in one partition of a changelog between two cuts.

    Attributes:
        topic: The changelog topic.
        partition: Its partition, which is that of the source.
        changes: Key to value; ``None`` deletes the key.
    """

    topic: str
    partition: int
    changes: Mapping[bytes, bytes | None]


class Shard:
    """State as processing sees it: a store as of the last commit, and what came since.

    What is written is seen at once, is frozen into the delta of the next cut, and reaches
    the store when that cut is committed. So the store is never ahead of a commit, and a
    process that dies leaves nothing behind that it would do again. Used by one thread at
    a time, that of the pipeline.

    Args:
        store: Holds what is committed.
        topic, partition: Its place in the changelog.

    Example:
        >>> from sabot.state.memory import MemoryStore
        >>> shard = Shard(MemoryStore(), "app-seen-changelog", 0)
        >>> shard.put(b"a", b"1")
        >>> shard.freeze(1).changes
        {b'a': b'1'}
        >>> shard.put(b"a", b"2")
        >>> shard.committed(1, end=7)
        >>> shard.get(b"a"), shard.store.get(b"a"), shard.store.position
        (b'2', b'1', 7)
    """

    def __init__(self, store: Store, topic: str, partition: int) -> None:
        self.store = store
        self.topic = topic
        self.partition = partition
        self._fresh: dict[bytes, bytes | None] = {}
        self._frozen: deque[tuple[int, dict[bytes, bytes | None]]] = deque()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        if key in self._fresh:
            return self._fresh[key]
        for _, changes in reversed(self._frozen):
            if key in changes:
                return changes[key]
        return self.store.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key."""
        self._fresh[key] = value

    def delete(self, key: bytes) -> None:
        """Delete a key, whether it is there or not."""
        self._fresh[key] = None

    def delete_all(self) -> None:
        """Delete every key there is."""
        for key, _ in list(self.scan()):
            self._fresh[key] = None

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with ``prefix``, in order, with their values."""
        waiting: dict[bytes, bytes | None] = {}
        for _, changes in self._frozen:
            waiting.update(changes)
        waiting.update(self._fresh)
        changed = deque(sorted(key for key in waiting if key.startswith(prefix)))
        for key, value in self.store.scan(prefix):
            while changed and changed[0] < key:
                yield from _if_there(changed[0], waiting[changed.popleft()])
            if changed and changed[0] == key:
                yield from _if_there(key, waiting[changed.popleft()])
            else:
                yield key, value
        for key in changed:
            yield from _if_there(key, waiting[key])

    def freeze(self, cut: int) -> Delta | None:
        """Return what changed since the last cut, which now belongs to this one.

        ``None`` where nothing did.
        """
        if not self._fresh:
            return None
        changes, self._fresh = self._fresh, {}
        self._frozen.append((cut, changes))
        return Delta(self.topic, self.partition, changes)

    def committed(self, cut: int, end: int | None) -> None:
        """Take the deltas of all cuts up to this one over into the store.

        Where it says nothing of this shard, what is frozen stays so: it is durable only
        with an end, which the transaction that takes it along brings.

        Args:
            cut: The cut that is durable.
            end: The next changelog offset behind its changes; ``None`` where it had none
                of this shard.

        Raises:
            StateError: If the store does not take them; the same call may be made again.
        """
        if end is None:
            return
        merged: dict[bytes, bytes | None] = {}
        count = 0
        for number, changes in self._frozen:
            if number > cut:
                break
            merged.update(changes)
            count += 1
        if count == 0 and end <= self.store.position:
            return  # said of a time when somebody else, or this process before, had the shard
        # The store may hold them already, if it failed half-way in the call before.
        self.store.write(merged, end)
        for _ in range(count):
            self._frozen.popleft()

    @property
    def uncommitted(self) -> int:
        """How many changes are not in the store yet."""
        return len(self._fresh) + sum(len(changes) for _, changes in self._frozen)

    def close(self) -> None:
        """Drop what is not committed, and let go of the store."""
        self._fresh = {}
        self._frozen.clear()
        self.store.close()


def _if_there(key: bytes, value: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    if value is not None:
        yield key, value
