"""`RocksStore`: state on disk, in RocksDB; a restart reads only what it has missed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

from sabot._optional import require
from sabot.errors import StateError
from sabot.logs import get_logger

__all__ = ["RocksStore"]

_POSITION = b"position"
_META, _DATA, _BEHIND_DATA = b"\x00", b"\x01", b"\x02"
_WRITE_BUFFER = 8 * 1024 * 1024
_BLOCK_CACHE = 64 * 1024 * 1024

_shared: list[Any] = []


class RocksStore:
    """Keeps everything in one RocksDB database.

    A write and its position are one batch in the write-ahead log: after ``kill -9`` both
    are there or neither is. The log is not synchronised to the disk with each write, so
    that a power failure may cost the last of them; these are then read from the changelog.

    Args:
        path: The database's folder; made where it does not exist.
        lock: Closed after the database, so that the next owner may have it.

    Raises:
        MissingDependencyError: If rocksdict is not installed.
        StateError: If the database cannot be opened.
    """

    def __init__(self, path: Path, lock: IO[str] | None = None) -> None:
        self._rocks = require("rocksdict", extra="rocksdb", needed_by="store='rocksdb'")
        self._path = path
        self._lock = lock
        self._scans: WeakSet[Generator[tuple[bytes, bytes], None, None]] = WeakSet()
        try:
            self._db: Any = self._rocks.Rdict(str(path), _options(self._rocks))
            raw = self._db.get(_META + _POSITION)
        except Exception as error:
            raise self._failure("cannot be opened", error) from error
        self._position = 0 if raw is None else int.from_bytes(raw, "big")

    @property
    def position(self) -> int:
        """The next changelog offset that is not in the store yet."""
        return self._position

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or ``None``."""
        try:
            value: bytes | None = self._db.get(_DATA + key)
        except Exception as error:
            raise self._failure("cannot be read", error) from error
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, or ``None`` for it."""
        try:
            values: list[bytes | None] = self._db.get([_DATA + key for key in keys])
        except Exception as error:
            raise self._failure("cannot be read", error) from error
        return values

    def write(self, changes: Mapping[bytes, bytes | None], position: int) -> None:
        """Take changes over, and the position behind them, in one batch.

        Raises:
            StateError: If the disk does not take it.
        """
        batch = self._rocks.WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(_DATA + key)
            else:
                batch.put(_DATA + key, value)
        self._write(batch, position)

    def _write(self, batch: Any, position: int) -> None:
        try:
            batch.put(_META + _POSITION, position.to_bytes(8, "big"))
            self._db.write(batch)
        except Exception as error:
            raise self._failure("does not take a write", error) from error
        self._position = position

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys that begin with ``prefix``, in order, as they were at the first.

        Raises:
            StateError: If the disk does not give them.
        """
        scan = self._scan(_DATA + prefix)
        self._scans.add(scan)
        return scan

    def _scan(self, wanted: bytes) -> Generator[tuple[bytes, bytes], None, None]:
        try:
            cursor = self._db.snapshot().iter()
            cursor.seek(wanted)
            while cursor.valid():
                key: bytes = cursor.key()
                if not key.startswith(wanted):
                    return
                yield key[1:], cursor.value()
                cursor.next()
            # A cursor ends at what it cannot read as it does at the end.
            cursor.status()
        except Exception as error:
            raise self._failure("cannot be read", error) from error

    def clear(self) -> None:
        """Empty the store.

        Raises:
            StateError: If the disk does not take it.
        """
        batch = self._rocks.WriteBatch(raw_mode=True)
        batch.delete_range(_DATA, _BEHIND_DATA)
        self._write(batch, 0)

    def close(self) -> None:
        """Close the database; the next owner may open it then."""
        # The cursor of a scan that somebody has left would keep the database open.
        for scan in list(self._scans):
            scan.close()
        try:
            with contextlib.suppress(self._rocks.DbClosedError):
                self._db.close()
        except Exception as error:  # noqa: BLE001 - the client has no type for it
            # After a write that failed; what is not in the store is in the changelog.
            get_logger("sabot.state").warning("the store was not closed well", why=str(error))
        finally:
            if self._lock is not None:
                self._lock.close()

    def _failure(self, what: str, error: Exception) -> StateError:
        return StateError(
            f"the store at {str(self._path)!r} {what}: {error}; look at the disk's room and "
            "rights, or name another place with state_dir. What it held is in the changelog: the "
            "folder may be deleted"
        )


def _options(rocks: Any) -> Any:
    """Return options whose memory all databases of the process share."""
    if not _shared:
        _shared.append(rocks.Cache(_BLOCK_CACHE))
    table = rocks.BlockBasedOptions()
    table.set_block_cache(_shared[0])
    table.set_bloom_filter(10, block_based=False)
    options = rocks.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(_WRITE_BUFFER)
    options.set_max_write_buffer_number(2)
    options.set_max_background_jobs(2)
    options.set_max_open_files(256)
    options.set_keep_log_file_num(2)
    options.set_max_total_wal_size(4 * _WRITE_BUFFER)
    return options
