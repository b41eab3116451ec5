"""The command ``sabot`` in a process of its own, with what it prints as it comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["ROOT", "Command"]


class Command:
    """A running ``python -m sabot ...``; leaving the block ends it.

    Args:
        arguments: After ``sabot``; or a whole command line with ``python=True``.
        cwd: Its current folder.
        environment: Variables beside those of this process, without any ``SABOT_`` ones.
        python: Whether the arguments are Python's own.
        text: Standard input; without one it is empty.
    """

    def __init__(
        self,
        *arguments: str,
        cwd: Path = ROOT,
        environment: dict[str, str] | None = None,
        python: bool = False,
        text: str = "",
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not _ours(name)}
        self._process = subprocess.Popen(
            [sys.executable, *(() if python else ("-m", "sabot")), *arguments],
            cwd=cwd,
            env={**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._news = threading.Condition()
        self._out: list[str] = []
        self._err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines), daemon=True)
            for pipe, lines in (
                (self._process.stdout, self._out),
                (self._process.stderr, self._err),
            )
        ]
        for reader in self._readers:
            reader.start()
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.close()

    @property
    def code(self) -> int | None:
        """The exit code; ``None`` while it runs."""
        return self._process.poll()

    @property
    def out(self) -> str:
        """Standard output so far."""
        return "".join(self._out)

    @property
    def err(self) -> str:
        """Standard error so far."""
        return "".join(self._err)

    def line(self, part: str, timeout: float = 30.0) -> str:
        """Wait for a line, on either stream, that contains ``part``, and return it."""
        return self.matches(re.escape(part), timeout)

    def matches(self, pattern: str, timeout: float = 30.0) -> str:
        """Wait for a line, on either stream, in which a pattern is found, and return it."""
        deadline = time.monotonic() + timeout
        wanted = re.compile(pattern)
        with self._news:
            while True:
                for line in (*self._out, *self._err):
                    if wanted.search(line):
                        return line.rstrip("\n")
                left = deadline - time.monotonic()
                ended = not any(reader.is_alive() for reader in self._readers)
                assert left > 0, f"no {pattern!r} in {timeout:g} s\n{self}"
                assert not ended, f"ended without {pattern!r}\n{self}"
                self._news.wait(min(left, 0.2))

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL: nothing of it runs any more, not even a last flush."""
        self._process.kill()

    def freeze(self) -> None:
        """Stop it where it is, with SIGSTOP; it can be killed, or thawed."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was frozen."""
        self._process.send_signal(signal.SIGCONT)

    def ends(self, timeout: float = 60.0) -> int:
        """Wait for its end and return the exit code."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout:g} s\n{self}") from None
        for reader in self._readers:
            reader.join(5)
        return code

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
        self.ends()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self, pipe: IO[str], lines: list[str]) -> None:
        for line in pipe:
            with self._news:
                lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def _ours(name: str) -> bool:
    return name.startswith(("SABOT_", "FRAUD_")) and not name.startswith("SABOT_TEST_")
