"""The state directory of an app: numbered slots for processes, a folder for each shard.

::

    {state_dir}/{app}/name               the directory's own, part of transactional ids
    {state_dir}/{app}/slots/0            locked by the worker that is slot 0
    {state_dir}/{app}/shards/{store}/3   the store of partition 3, locked while open
    {state_dir}/{app}/shards/{store}/3.slot-1   slot 1's own: a standby, or a store that was
                                                opened while another process held the lock

Several workers of one machine may share it: a shard has one user at a time, and its next
owner goes on where the last one stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sabot.errors import PartitionLostError, StateError
from sabot.logs import get_logger
from sabot.state.rocks import RocksStore

__all__ = ["Slot", "StateDirectory"]

_VERSION = 1
_SLOTS = 1024
_LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Slot:
    """A number that one process of an app has on this machine, until it ends.

    A process that is started again after a crash gets the number that became free.

    Attributes:
        number: From 0.
    """

    number: int
    _lock: IO[str]

    def release(self) -> None:
        """Give the number back; ending the process does so too."""
        self._lock.close()


class StateDirectory:
    """Where the workers of one app on one machine keep state.

    Args:
        root: The folder; made where it does not exist.
        app: The app's id.

    Raises:
        StateError: If the folder cannot be used.
    """

    def __init__(self, root: Path, app: str) -> None:
        self.path = root / _safe(app)
        self._log = get_logger("sabot.state").bind(directory=str(self.path))
        self._slot: Slot | None = None
        try:
            (self.path / "slots").mkdir(parents=True, exist_ok=True)
            (self.path / "shards").mkdir(exist_ok=True)
        except OSError as error:
            raise self._failure("be made", error) from error

    @property
    def name(self) -> str:
        """What this directory is called: a name that no other one has, here or elsewhere.

        Raises:
            StateError: If it cannot be read or written.
        """
        place = self.path / "name"
        chosen = uuid.uuid4().hex[:12]
        mine = self.path / f"name.{chosen}"
        try:
            mine.write_text(chosen)
            # Whole or not at all: another process may be here for the first time, too.
            with contextlib.suppress(FileExistsError):
                place.hardlink_to(mine)
            mine.unlink()
            return place.read_text()
        except OSError as error:
            raise self._failure("be written", error) from error

    def take_slot(self) -> Slot:
        """Take the lowest number that no other process has.

        Raises:
            StateError: If the directory cannot be written.
        """
        for number in range(_SLOTS):
            try:
                lock = (self.path / "slots" / str(number)).open("a+")
            except OSError as error:
                raise self._failure("be written", error) from error
            if self._lock(lock):
                self._slot = Slot(number, lock)
                return self._slot
        raise StateError(f"all {_SLOTS} slots of {str(self.path)!r} are taken")

    def close(self) -> None:
        """Give the slot back; stores that are open stay so."""
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    def open(
        self,
        store: str,
        partition: int,
        identity: str,
        *,
        patience: float = 10.0,
        given_up: Callable[[], bool] = lambda: False,
    ) -> RocksStore:
        """Open the store of one partition.

        Where another process still has it, as one does that is frozen or slow to let go,
        it is waited for; then a folder of the slot's own is used, and restored anew.

        Args:
            store: The store's name.
            partition: The partition.
            identity: What the store belongs to; one of another identity is emptied.
            patience: Seconds to wait for another process.
            given_up: Asked while waiting: whether nobody wants it any more.

        Raises:
            StateError: If the disk cannot be used.
            PartitionLostError: If it was given up.
        """
        shared = self._shared(store, partition)
        deadline = time.monotonic() + patience
        warned = False
        while True:
            opened = self._try(shared, identity)
            if opened is not None:
                return self._newer(opened, self._own(shared), identity)
            if given_up():
                raise PartitionLostError(f"{shared.name} of {store!r} went before it was opened")
            if time.monotonic() >= deadline:
                break
            if not warned:
                self._log.warning("waits for another process to let go", shard=str(shared))
                warned = True
            time.sleep(_LOOK_SECONDS)
        own = self._own(shared)
        self._log.warning("another process holds the shard; one of our own is used", shard=str(own))
        return self._open_own(own, identity)

    def open_standby(self, store: str, partition: int, identity: str) -> RocksStore:
        """Open a copy of a partition that another worker has: a store of the slot's own.

        The owner, if it runs on this machine, holds the shared folder meanwhile.

        Raises:
            StateError: If the disk cannot be used.
        """
        return self._open_own(self._own(self._shared(store, partition)), identity)

    def _shared(self, store: str, partition: int) -> Path:
        return self.path / "shards" / store / str(partition)

    def _own(self, shared: Path) -> Path:
        number = self._slot.number if self._slot is not None else os.getpid()
        return shared.with_name(f"{shared.name}.slot-{number}")

    def _open_own(self, own: Path, identity: str) -> RocksStore:
        opened = self._try(own, identity)
        if opened is None:
            raise StateError(
                f"{str(own)!r} is held by a process that has no right to it; end the other process "
                "with this state directory, or give this one another by state_dir (--state-dir)"
            )
        return opened

    def _newer(self, shared: RocksStore, own: Path, identity: str) -> RocksStore:
        """Return that of two stores which knows more; where it is the shared one, only that."""
        if not own.exists():
            return shared
        other = self._try(own, identity)
        if other is None:
            return shared
        if other.position > shared.position:
            shared.close()
            return other
        other.close()
        shutil.rmtree(own, ignore_errors=True)
        return shared

    def _try(self, folder: Path, identity: str) -> RocksStore | None:
        """Open a folder's store; ``None`` where another process has it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("a+")
        except OSError as error:
            raise self._failure("be written", error) from error
        if not self._lock(lock):
            return None
        try:
            if _identity_of(folder) != identity:
                _delete(folder / "db")
                _write_identity(folder, identity)
            return self._opened(folder / "db", lock)
        except OSError as error:
            lock.close()
            raise self._failure("be written", error) from error
        except BaseException:
            lock.close()
            raise

    def _opened(self, database: Path, lock: IO[str]) -> RocksStore:
        """Open a database; one that is damaged, as by a power failure, is made anew."""
        try:
            return RocksStore(database, lock)
        except StateError as error:
            if "Corruption" not in str(error.__cause__):
                raise
            self._log.warning(
                "damaged local state is read anew from the changelog",
                shard=str(database.parent),
                why=str(error.__cause__),
            )
            _delete(database)
            return RocksStore(database, lock)

    def _lock(self, file: IO[str]) -> bool:
        """Lock a file, or close it where another process has it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError as error:
            file.close()
            raise self._failure("be locked", error) from error
        return True

    def _failure(self, what: str, error: OSError) -> StateError:
        return StateError(
            f"the state directory {str(self.path)!r} cannot {what}: {error.strerror or error}; "
            "give the worker's user the right to write there, make room, or name another with "
            "state_dir (--state-dir)"
        )


def _delete(database: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(database)


def _identity_of(folder: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads((folder / "identity.json").read_text())
        if noted["version"] == _VERSION:
            return str(noted["identity"])
    return None


def _write_identity(folder: Path, identity: str) -> None:
    text = json.dumps({"version": _VERSION, "identity": identity})
    made = folder / "identity.json.new"
    made.write_text(text)
    made.replace(folder / "identity.json")


def _safe(name: str) -> str:
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in name)
