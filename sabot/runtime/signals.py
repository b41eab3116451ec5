"""The first signal asks a worker to drain; the second ends the process at once.

A Python handler runs only when the main thread gets back to Python; a user's blocking
call may keep it away. So the signal is also read, from the wake-up descriptor, by a
thread that has nothing else to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from sabot.runtime.exit_codes import ExitCode

__all__ = ["handle_signals"]


@contextlib.contextmanager
def handle_signals(
    on_first: Callable[[str], None], *, on_second: Callable[[], None] | None = None
) -> Iterator[None]:
    """Handle SIGINT and SIGTERM while the block runs; for the main thread only.

    Args:
        on_first: Called once, on a thread of its own, with the signal's name.
        on_second: Called before the second signal ends the process.
    """
    received: set[int] = set()
    lock = threading.Lock()

    def note(number: int) -> None:
        name = signal.Signals(number).name
        with lock:
            again = bool(received)
            received.add(number)
        if again:
            sys.stderr.write(f"sabot: {name} again, ending at once\n")
            sys.stderr.flush()
            if on_second is not None:
                on_second()
            os._exit(ExitCode.INTERRUPTED)
        on_first(name)

    ours = [signal.SIGINT, signal.SIGTERM]
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in ours}
    descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        with contextlib.suppress(OSError):
            while data := reader.recv(1):
                if data[0] in (int(number) for number in ours):
                    note(data[0])

    watcher = threading.Thread(target=watch, name="sabot-signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        watcher.join(1.0)
        reader.close()
