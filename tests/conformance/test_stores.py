"""What every store owes the shard on top of it, in memory and on disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sabot.errors import StateError
from sabot.state import MemoryStore, Store
from sabot.state.rocks import RocksStore

ROOT = Path(__file__).resolve().parents[2]

keys = st.binary(max_size=3) | st.sampled_from([b"a", b"ab", b"b", b"\x00", b"\xff", b"\xff\xff"])
changes = st.dictionaries(keys, st.none() | st.binary(max_size=5), max_size=6)


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MemoryStore() if request.param == "memory" else RocksStore(tmp_path / "db")
    yield made
    made.close()


def test_it_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)
    assert (store.position, list(store.scan()), store.get(b"a")) == (0, [], None)


def test_a_write_brings_changes_and_position_together(store: Store) -> None:
    store.write({b"a": b"1", b"b": b"", b"c": b"3"}, 7)
    store.write({b"a": None, b"never": None, b"c": b"4"}, 9)
    assert store.position == 9
    assert store.get_many([b"c", b"a", b"b", b"c"]) == [b"4", None, b"", b"4"]
    assert store.get_many([]) == []


def test_an_empty_value_and_an_empty_key_are_there(store: Store) -> None:
    store.write({b"": b"", b"a": b""}, 1)
    assert list(store.scan()) == [(b"", b""), (b"a", b"")]
    assert store.get(b"") == b""


def test_a_scan_sees_what_was_there_at_its_first_item(store: Store) -> None:
    store.write({b"%d" % number: b"old" for number in range(5)}, 5)
    items = store.scan()
    first = next(items)
    store.write({b"3": None, b"4": b"new", b"5": b"new"}, 8)
    assert [first, *items] == [(b"%d" % number, b"old") for number in range(5)]


def test_a_scan_takes_what_begins_with_the_prefix(store: Store) -> None:
    store.write(dict.fromkeys([b"a", b"a\x00", b"a\xff", b"b", b"\xff", b""], b"."), 6)
    assert [key for key, _ in store.scan(b"a")] == [b"a", b"a\x00", b"a\xff"]
    assert [key for key, _ in store.scan(b"\xff")] == [b"\xff"]
    assert [key for key, _ in store.scan(b"c")] == []


def test_a_cleared_store_is_as_new_and_can_be_filled_again(store: Store) -> None:
    store.write({b"%d" % number: b"." for number in range(20_000)}, 20_000)
    store.clear()
    assert (store.position, list(store.scan()), store.get(b"7")) == (0, [], None)
    store.write({b"7": b"again"}, 3)
    assert (store.position, list(store.scan())) == (3, [(b"7", b"again")])


def test_closing_twice_is_fine(store: Store) -> None:
    store.close()
    store.close()


def test_a_scan_that_was_left_does_not_keep_the_store_from_closing(store: Store) -> None:
    store.write({b"a": b"1", b"b": b"2"}, 2)
    left = store.scan()
    next(left)
    store.close()


class StoreModel(RuleBasedStateMachine):
    """A store beside a dict."""

    make: Callable[[Path], Store]
    lasting = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "db"
        self.store = type(self).make(self.path)
        self.model: dict[bytes, bytes] = {}
        self.position = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(changes=changes, step=st.integers(0, 300))
    def write(self, changes: dict[bytes, bytes | None], step: int) -> None:
        self.position += step
        self.store.write(changes, self.position)
        for key, value in changes.items():
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        assert self.store.get(key) == self.model.get(key)

    @rule(some=st.lists(keys, max_size=5))
    def get_many(self, some: list[bytes]) -> None:
        assert self.store.get_many(some) == [self.model.get(key) for key in some]

    @rule(prefix=keys)
    def scan(self, prefix: bytes) -> None:
        wanted = sorted(item for item in self.model.items() if item[0].startswith(prefix))
        assert list(self.store.scan(prefix)) == wanted

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model, self.position = {}, 0

    @rule()
    def reopen(self) -> None:
        if self.lasting:
            self.store.close()
            self.store = type(self).make(self.path)

    @invariant()
    def is_the_dict(self) -> None:
        assert self.store.position == self.position
        assert list(self.store.scan()) == sorted(self.model.items())


class MemoryModel(StoreModel):
    make = staticmethod(lambda _path: MemoryStore())


class RocksModel(StoreModel):
    make = staticmethod(RocksStore)
    lasting = True


TestMemoryModel = MemoryModel.TestCase
TestRocksModel = RocksModel.TestCase
TestRocksModel.settings = settings(deadline=None, max_examples=15, stateful_step_count=20)

CHILD = """
import sys
from pathlib import Path
from sabot.state.rocks import RocksStore

store = RocksStore(Path(sys.argv[1]))
for number in range(1, 1_000_000):
    # Always ten keys; each value says at which position all ten were written.
    store.write({b"%d" % key: b"%d" % number for key in range(10)}, number)
    if number % 50 == 0:
        print(number, flush=True)
"""


@pytest.mark.slow
def test_after_kill_9_changes_and_position_are_of_the_same_write(tmp_path: Path) -> None:
    for enough in (50, 400, 1500):
        path = tmp_path / str(enough)
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as child:
            assert child.stdout is not None
            said = 0
            while said < enough:
                said = int(child.stdout.readline())
            child.kill()
            said = max([said, *(int(line) for line in child.stdout if line.endswith("\n"))])
            assert child.wait() == -signal.SIGKILL
        store = RocksStore(path)
        position = store.position
        assert position >= said
        assert dict(store.scan()) == {b"%d" % key: b"%d" % position for key in range(10)}
        store.close()


def test_a_database_that_cannot_be_opened_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("not a folder")
    with pytest.raises(StateError, match=r"db' cannot be opened: .*state_dir.*may be deleted"):
        RocksStore(tmp_path / "db")


def test_a_closed_database_says_so_and_names_itself(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "db")
    store.close()
    with pytest.raises(StateError, match="cannot be read"):
        store.get(b"a")
    with pytest.raises(StateError, match="cannot be read"):
        list(store.scan())
    with pytest.raises(StateError, match="does not take a write"):
        store.write({b"a": b"1"}, 1)
    assert store.position == 0
