"""State of one partition in a dict, for tests of what a step does with it."""

from __future__ import annotations

__all__ = ["Kept"]


class Kept(dict[bytes, bytes]):
    """What a step keeps, as `sabot.operators.stateful.KeyedState`."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)
