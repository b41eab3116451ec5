"""A worker, or any command, in a process of its own that can be killed and frozen."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from sabot.errors import ConfigurationError

__all__ = ["WorkerProcess"]

_LOOK_SECONDS: Final = 0.2


class WorkerProcess:
    """A running command; leaving the block ends it with all its children.

    What it prints is kept, line by line, and can be waited for.

    Args:
        command: Program and arguments.
        cwd: Its current folder; this process's unless given.
        environment: Variables beside those of this process; ``None`` takes one away.
        text: Standard input; without one it is empty.

    Example:
        >>> with WorkerProcess([sys.executable, "-c", "print('here'); input()"]) as process:
        ...     process.line("here")
        ...     process.ends()
        'here'
        1
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | Path | None = None,
        environment: Mapping[str, str | None] | None = None,
        text: str = "",
    ) -> None:
        variables: dict[str, str | None] = {**os.environ, "PYTHONUNBUFFERED": "1"}
        variables.update(environment or {})
        self.command = tuple(command)
        self._process = subprocess.Popen(  # noqa: S603 - the caller's own command
            self.command,
            cwd=cwd,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # A group of its own, so that its end can be the end of all it has started.
            start_new_session=True,
        )
        self._news = threading.Condition()
        self._out: list[str] = []
        self._err: list[str] = []
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._pipes = (self._process.stdout, self._process.stderr)
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in zip(self._pipes, (self._out, self._err), strict=True)
        ]
        for reader in self._readers:
            reader.start()
        # It may have ended without reading any.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    @classmethod
    def sabot(
        cls,
        *arguments: str,
        cwd: str | Path | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> Self:
        """Run ``sabot`` with arguments, such as ``"worker", "shop:app"``, by this Python."""
        command = [sys.executable, "-m", "sabot", *arguments]
        return cls(command, cwd=cwd, environment=environment)

    # --- what it says -----------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; negative for a signal, ``None`` while it runs."""
        return self._process.poll()

    @property
    def out(self) -> str:
        """Standard output so far."""
        return "".join(self._out)

    @property
    def err(self) -> str:
        """Standard error so far."""
        return "".join(self._err)

    def line(self, part: str, timeout: float = 30.0, *, count: int = 1) -> str:
        """Wait for a line that contains ``part``; as `matches`."""
        return self.matches(re.escape(part), timeout, count=count)

    def matches(self, pattern: str, timeout: float = 30.0, *, count: int = 1) -> str:
        """Wait for a line, on either stream, in which a pattern is found, and return it.

        Args:
            pattern: A regular expression.
            timeout: Seconds until giving up.
            count: Wait for that many such lines, and return the last of them.

        Raises:
            AssertionError: If time runs out or the process ends without it; with all that
                it has printed.
        """
        deadline = time.monotonic() + timeout
        wanted = re.compile(pattern)
        with self._news:
            while True:
                ended = not any(reader.is_alive() for reader in self._readers)
                found = [line for line in (*self._out, *self._err) if wanted.search(line)]
                if len(found) >= count:
                    return found[count - 1].rstrip("\n")
                if ended:
                    raise AssertionError(f"ended without {pattern!r}\n{self}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"no {pattern!r} in {timeout:g} s\n{self}")
                self._news.wait(min(left, _LOOK_SECONDS))

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until a worker says that it has partitions, and their state where it keeps any.

        Raises:
            AssertionError: As `matches`.
        """
        self.matches("partitions? assigned", timeout)

    # --- what is done to it -----------------------------------------------------------

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""
        self._process.terminate()

    def kill(self, pid: int | None = None) -> None:
        """End it, or one of its `children`, with SIGKILL: not even a last flush runs.

        Children of a process that is killed live on until the block is left.
        """
        if pid is None:
            self._process.kill()
        else:
            self._signal(pid, "SIGKILL")

    def freeze(self, pid: int | None = None) -> None:
        """Stop it, or one of its `children`, until `thaw`: SIGSTOP.

        To its group it looks dead; thawed, it does not know that it was.
        """
        self._signal(pid, "SIGSTOP")

    def thaw(self, pid: int | None = None) -> None:
        """Let a frozen one go on: SIGCONT."""
        self._signal(pid, "SIGCONT")

    def children(self) -> list[int]:
        """Return the ids of the processes it has started, and they in turn, that run."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="],  # noqa: S607 - where it is differs
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [line.split() for line in listed.splitlines()]
        family = {self.pid}
        # A parent may be listed behind its child.
        for _ in rows:
            more = {int(row[0]) for row in rows if int(row[1]) in family} - family
            if not more:
                break
            family |= more
        dead = {int(row[0]) for row in rows if row[2].startswith("Z")}
        return sorted(family - dead - {self.pid})

    def ends(self, timeout: float = 60.0) -> int:
        """Wait for its end and return the exit code.

        Raises:
            AssertionError: If it still runs; with all that it has printed.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout:g} s\n{self}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def _signal(self, pid: int | None, name: str) -> None:
        number = getattr(signal, name, None)
        if number is None:
            raise ConfigurationError(f"this machine has no {name}")
        os.kill(self.pid if pid is None else pid, number)

    # --- its end ----------------------------------------------------------------------

    def __str__(self) -> str:
        return f"--- out\n{self.out}--- err\n{self.err}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._end_group()
        self.ends()
        for pipe in self._pipes:
            pipe.close()

    def _end_group(self) -> None:
        """End what it has started and left behind."""
        if hasattr(os, "killpg"):
            # Its own id names the group, also when it has gone and others are left.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _read(self, pipe: IO[str], lines: list[str]) -> None:
        for line in pipe:
            with self._news:
                lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()
