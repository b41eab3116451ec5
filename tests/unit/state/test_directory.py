from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sabot.errors import PartitionLostError, StateError
from sabot.state.directory import StateDirectory

ROOT = Path(__file__).resolve().parents[3]

HOLDER = """
import sys
from pathlib import Path
from sabot.state.directory import StateDirectory

directory = StateDirectory(Path(sys.argv[1]), "app")
number = directory.take_slot().number
store = directory.open("seen", 0, "one")
store.write({b"a": b"theirs"}, 5)
print(number, flush=True)
sys.stdin.read()
store.close()
"""


@contextmanager
def another_process(root: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Have a process that holds a slot and the shard 0 of ``seen``; it ends by its stdin."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        try:
            yield child, int(child.stdout.readline())
        finally:
            child.kill()


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path, "app")


def test_two_directories_have_two_slots_and_a_free_one_is_taken_again(tmp_path: Path) -> None:
    first = StateDirectory(tmp_path, "app").take_slot()
    second = StateDirectory(tmp_path, "app").take_slot()
    assert (first.number, second.number) == (0, 1)
    first.release()
    third = StateDirectory(tmp_path, "app").take_slot()
    assert third.number == 0
    second.release()
    third.release()


@pytest.mark.slow
def test_a_slot_is_free_after_kill_9_of_its_process(tmp_path: Path) -> None:
    with another_process(tmp_path) as (child, number):
        mine = StateDirectory(tmp_path, "app").take_slot()
        assert (number, mine.number) == (0, 1)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        again = StateDirectory(tmp_path, "app").take_slot()
        assert again.number == 0
        mine.release()
        again.release()


def test_apps_do_not_share_slots(tmp_path: Path) -> None:
    one, other = (StateDirectory(tmp_path, app).take_slot() for app in ("one", "an/other"))
    assert (one.number, other.number) == (0, 0)
    one.release()
    other.release()


def test_a_shard_is_found_again(directory: StateDirectory) -> None:
    store = directory.open("seen", 3, "one")
    store.write({b"a": b"1"}, 4)
    store.close()
    again = directory.open("seen", 3, "one")
    assert (again.get(b"a"), again.position) == (b"1", 4)
    again.close()


def test_a_shard_of_another_topic_of_that_name_is_emptied(directory: StateDirectory) -> None:
    store = directory.open("seen", 3, "one")
    store.write({b"a": b"1"}, 4)
    store.close()
    again = directory.open("seen", 3, "two")
    assert (again.get(b"a"), again.position) == (None, 0)
    again.close()


def test_a_shard_whose_owner_is_not_noted_is_emptied(directory: StateDirectory) -> None:
    store = directory.open("seen", 3, "one")
    store.write({b"a": b"1"}, 4)
    store.close()
    (directory.path / "shards/seen/3/identity.json").write_text("{}")
    again = directory.open("seen", 3, "one")
    assert (again.get(b"a"), again.position) == (None, 0)
    again.close()


def test_a_damaged_shard_is_made_anew(directory: StateDirectory) -> None:
    store = directory.open("seen", 3, "one")
    store.write({b"a": b"1"}, 4)
    store.close()
    (manifest,) = (directory.path / "shards/seen/3/db").glob("MANIFEST-*")
    manifest.write_bytes(manifest.read_bytes()[:20] + b"damaged" * 20)
    again = directory.open("seen", 3, "one")
    assert (again.get(b"a"), again.position) == (None, 0)
    again.close()


@pytest.mark.slow
def test_a_shard_is_waited_for_until_its_process_lets_go(tmp_path: Path) -> None:
    with another_process(tmp_path) as (child, _):
        directory = StateDirectory(tmp_path, "app")
        asked = threading.Event()

        def given_up() -> bool:
            asked.set()
            return False

        def let_go() -> None:
            asked.wait(10)
            assert child.stdin is not None
            child.stdin.close()

        thread = threading.Thread(target=let_go)
        thread.start()
        store = directory.open("seen", 0, "one", patience=60, given_up=given_up)
        thread.join()
        assert (store.get(b"a"), store.position) == (b"theirs", 5)
        store.close()


@pytest.mark.slow
def test_a_shard_that_is_not_let_go_is_kept_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    with another_process(tmp_path) as (child, _):
        directory = StateDirectory(tmp_path, "app")
        slot = directory.take_slot()
        # It holds the lock as well, and cannot be asked.
        os.kill(child.pid, signal.SIGSTOP)
        own = directory.open("seen", 0, "one", patience=0)
        assert (own.get(b"a"), own.position) == (None, 0)
        own.write({b"a": b"mine"}, 9)
        own.close()
        assert (directory.path / "shards/seen/0.slot-1").is_dir()
        child.kill()
        child.wait()
        # What knows more is gone on with, wherever it is.
        found = directory.open("seen", 0, "one")
        assert (found.get(b"a"), found.position) == (b"mine", 9)
        found.close()
        slot.release()


def test_a_folder_of_ones_own_goes_once_the_shared_one_knows_as_much(
    directory: StateDirectory,
) -> None:
    slot = directory.take_slot()
    standby = directory.open_standby("seen", 0, "one")
    standby.write({b"a": b"copy"}, 7)
    standby.close()
    shared = directory.open("seen", 0, "one")
    assert shared.position == 7
    shared.close()
    (directory.path / "shards/seen/0.slot-0").rename(directory.path / "shards/seen/aside")
    shared = directory.open("seen", 0, "one")
    shared.write({b"a": b"newer"}, 8)
    shared.close()
    (directory.path / "shards/seen/aside").rename(directory.path / "shards/seen/0.slot-0")
    found = directory.open("seen", 0, "one")
    assert found.get(b"a") == b"newer"
    assert not (directory.path / "shards/seen/0.slot-0").exists()
    found.close()
    slot.release()


def test_an_open_that_nobody_wants_any_more_opens_nothing(directory: StateDirectory) -> None:
    held = directory.open("seen", 0, "one")
    with pytest.raises(PartitionLostError):
        directory.open("seen", 0, "one", patience=60, given_up=lambda: True)
    assert not list((directory.path / "shards/seen").glob("*.slot-*"))
    held.close()


def test_a_standby_lives_beside_the_owners_store(directory: StateDirectory) -> None:
    slot = directory.take_slot()
    owner = directory.open("seen", 0, "one")
    standby = directory.open_standby("seen", 0, "one")
    owner.write({b"a": b"1"}, 1)
    standby.write({b"a": b"copy"}, 1)
    assert (owner.get(b"a"), standby.get(b"a")) == (b"1", b"copy")
    with pytest.raises(StateError, match="end the other process"):
        directory.open_standby("seen", 0, "one")
    owner.close()
    standby.close()
    slot.release()


def test_a_directory_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot be made: Not a directory; give .*--state-dir"):
        StateDirectory(tmp_path / "file", "app")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="users are POSIX's")
def test_a_directory_that_may_not_be_written_says_what_to_do(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path, "app")
    folders = [directory.path, directory.path / "slots", directory.path / "shards"]
    user = os.geteuid()
    for folder in folders:
        folder.chmod(0o500)
    if user == 0:
        os.seteuid(65534)  # to root everything may be written
    try:
        with pytest.raises(StateError, match="cannot be written: Permission denied; give"):
            directory.take_slot()
        with pytest.raises(StateError, match="cannot be written: Permission denied; give"):
            directory.open("seen", 0, "one")
    finally:
        os.seteuid(user)
        for folder in folders:
            folder.chmod(0o700)


def test_a_shard_with_a_scan_that_somebody_left_can_be_opened_again(
    directory: StateDirectory,
) -> None:
    store = directory.open("totals", 0, "one")
    store.write({b"a": b"1", b"b": b"2"}, 2)
    left = store.scan()
    next(left)
    store.close()
    again = directory.open("totals", 0, "one", patience=0)
    assert (again.get(b"b"), again.position) == (b"2", 2)
    again.close()


def test_a_directory_has_a_name_of_its_own_that_it_keeps(tmp_path: Path) -> None:
    one, other = StateDirectory(tmp_path / "one", "app"), StateDirectory(tmp_path / "other", "app")
    assert one.name == StateDirectory(tmp_path / "one", "app").name
    assert one.name != other.name
    assert [each.name for each in one.path.iterdir() if each.is_file()] == ["name"]
