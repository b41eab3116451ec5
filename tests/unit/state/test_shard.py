from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sabot.errors import StateError
from sabot.state import MemoryStore, Shard


@pytest.fixture
def shard() -> Shard:
    store = MemoryStore()
    store.write({b"a": b"1", b"b": b"2", b"c": b"3"}, 3)
    return Shard(store, "log", 0)


def test_what_is_put_or_deleted_is_seen_at_once_and_not_stored(shard: Shard) -> None:
    shard.put(b"a", b"9")
    shard.delete(b"b")
    shard.put(b"d", b"4")
    assert [shard.get(key) for key in (b"a", b"b", b"c", b"d", b"e")] == [
        b"9",
        None,
        b"3",
        b"4",
        None,
    ]
    assert list(shard.store.scan()) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]


def test_a_cut_takes_what_changed_since_the_last_one(shard: Shard) -> None:
    shard.put(b"a", b"9")
    first = shard.freeze(1)
    assert first is not None
    assert (first.topic, first.partition, first.changes) == ("log", 0, {b"a": b"9"})
    assert shard.freeze(2) is None
    shard.delete(b"a")
    third = shard.freeze(3)
    assert third is not None
    assert third.changes == {b"a": None}
    assert first.changes == {b"a": b"9"}


def test_a_commit_covers_the_cuts_before_it_and_none_after(shard: Shard) -> None:
    shard.put(b"a", b"10")
    shard.freeze(1)
    shard.put(b"a", b"20")
    shard.put(b"b", b"20")
    shard.freeze(2)
    shard.delete(b"a")
    shard.freeze(3)
    shard.put(b"c", b"40")
    shard.committed(2, end=9)
    assert (shard.store.get(b"a"), shard.store.get(b"b"), shard.store.position) == (
        b"20",
        b"20",
        9,
    )
    assert (shard.get(b"a"), shard.get(b"c"), shard.uncommitted) == (None, b"40", 2)
    shard.committed(3, end=11)
    assert (shard.store.get(b"a"), shard.store.get(b"c"), shard.store.position) == (
        None,
        b"3",
        11,
    )


def test_a_commit_that_does_not_mention_the_shard_leaves_what_is_frozen(shard: Shard) -> None:
    shard.put(b"a", b"10")
    shard.freeze(1)
    shard.committed(1, end=None)
    assert (shard.store.get(b"a"), shard.store.position, shard.uncommitted) == (b"1", 3, 1)
    shard.committed(2, end=7)
    assert (shard.store.get(b"a"), shard.store.position, shard.uncommitted) == (b"10", 7, 0)


def test_a_late_word_of_an_old_commit_does_not_move_the_store_back(shard: Shard) -> None:
    shard.put(b"a", b"10")
    shard.freeze(5)
    shard.committed(4, end=2)
    assert (shard.store.get(b"a"), shard.store.position, shard.uncommitted) == (b"1", 3, 1)


def test_a_commit_without_changes_moves_the_position(shard: Shard) -> None:
    shard.committed(1, end=8)
    assert shard.store.position == 8


class FullDisk(MemoryStore):
    full = True

    def write(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        if self.full:
            raise StateError("no room")
        super().write(changes, position)


def test_what_the_store_does_not_take_is_kept_and_can_be_offered_again() -> None:
    store = FullDisk()
    shard = Shard(store, "log", 0)
    shard.put(b"a", b"1")
    shard.freeze(1)
    with pytest.raises(StateError, match="no room"):
        shard.committed(1, end=4)
    assert (shard.get(b"a"), store.position, shard.uncommitted) == (b"1", 0, 1)
    store.full = False
    shard.committed(1, end=4)
    assert (store.get(b"a"), store.position, shard.uncommitted) == (b"1", 4, 0)


def test_a_scan_merges_what_waits_with_what_is_stored(shard: Shard) -> None:
    shard.put(b"bb", b"x")
    shard.delete(b"a")
    shard.freeze(1)
    shard.put(b"b", b"y")
    shard.put(b"", b"first")
    shard.delete(b"never")
    shard.put(b"z", b"last")
    assert list(shard.scan()) == [
        (b"", b"first"),
        (b"b", b"y"),
        (b"bb", b"x"),
        (b"c", b"3"),
        (b"z", b"last"),
    ]
    assert list(shard.scan(b"b")) == [(b"b", b"y"), (b"bb", b"x")]


def test_a_scan_may_be_written_under(shard: Shard) -> None:
    for key, _ in shard.scan():
        shard.delete(key)
        shard.freeze(1)
        shard.committed(1, end=10)
    assert list(shard.scan()) == []


def test_closing_drops_what_is_not_committed(shard: Shard) -> None:
    shard.put(b"a", b"9")
    shard.freeze(1)
    shard.put(b"b", b"9")
    shard.close()
    assert shard.uncommitted == 0


keys = st.sampled_from([b"", b"a", b"aa", b"ab", b"b", b"\xff"])


class ShardModel(RuleBasedStateMachine):
    """A shard beside two dicts, one of now and one of the last commit, and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.shard = Shard(self.store, "log", 0)
        self.now: dict[bytes, bytes] = {}
        self.committed: dict[bytes, bytes] = {}
        self.cuts: list[tuple[int, dict[bytes, bytes], int]] = []
        self.cut = 0
        self.end = 0

    @rule(key=keys, value=st.binary(max_size=2))
    def put(self, key: bytes, value: bytes) -> None:
        self.shard.put(key, value)
        self.now[key] = value

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        self.shard.delete(key)
        self.now.pop(key, None)

    @rule()
    def freeze(self) -> None:
        self.cut += 1
        delta = self.shard.freeze(self.cut)
        if delta is not None:
            self.end += len(delta.changes)
            self.cuts.append((self.cut, dict(self.now), self.end))

    @rule(data=st.data())
    def commit(self, data: Any) -> None:
        """Commit one of the cuts that are made, or say that one had nothing of this shard."""
        if not self.cuts:
            self.shard.committed(self.cut, None)
            return
        number, state, end = data.draw(st.sampled_from(self.cuts))
        self.shard.committed(number, end)
        self.committed = state
        self.cuts = [each for each in self.cuts if each[0] > number]

    @rule()
    def commit_of_others(self) -> None:
        self.shard.committed(self.cut, None)

    @rule()
    def crash(self) -> None:
        self.shard = Shard(self.store, "log", 0)
        self.now = dict(self.committed)
        self.cuts = []
        self.end = self.store.position

    @rule(prefix=keys)
    def scan(self, prefix: bytes) -> None:
        wanted = sorted(item for item in self.now.items() if item[0].startswith(prefix))
        assert list(self.shard.scan(prefix)) == wanted

    @invariant()
    def is_the_dicts(self) -> None:
        assert {key: self.shard.get(key) for key in self.now} == self.now
        assert list(self.shard.scan()) == sorted(self.now.items())
        assert dict(self.store.scan()) == self.committed


TestShardModel = ShardModel.TestCase
