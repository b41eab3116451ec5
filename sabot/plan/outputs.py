"""Outputs that were defined, and who runs them.

An output is a plan that ends somewhere. Defining one puts it into the collection that is
open at that moment: the target file being loaded by ``sabot worker``, or, in a script or
notebook, the process's own. Nothing runs by being defined.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sabot.plan.nodes import Terminal

__all__ = ["Collection", "Output", "collecting", "current_collection"]


@dataclass(slots=True, eq=False)
class Output:
    """A plan with an end, and what became of it.

    Attributes:
        node: The last node.
        owner: The id of the app it belongs to; ``None`` while it belongs to none.
        file: The file it was defined in.
        started: Whether something has run it.
    """

    node: Terminal
    owner: str | None = None
    file: str | None = None
    started: bool = False
    runner: Any = field(default=None, repr=False)


@dataclass(slots=True)
class Collection:
    """The outputs and apps defined while one target is loaded.

    Attributes:
        main_file: The file that was started, as of the last output.
    """

    outputs: list[Output] = field(default_factory=list)
    apps: list[Any] = field(default_factory=list)
    main_file: str | None = None

    def add(self, output: Output) -> Output | None:
        """Take an output; in an interactive session return the one it replaces.

        There a cell that is run again defines its output again, under the same source
        and sink, and both would run: each record would be written twice.
        """
        # The interpreter forgets it before anything is called at exit.
        self.main_file = getattr(sys.modules.get("__main__"), "__file__", None)
        replaced = None
        if _interactive():
            identity = _identity(output)
            for known in self.outputs:
                if _identity(known) == identity and not known.started:
                    replaced = known
                    self.outputs.remove(known)
                    break
        self.outputs.append(output)
        return replaced

    def waiting(self) -> list[Output]:
        """Return the outputs that nothing has run yet."""
        return [output for output in self.outputs if not output.started]


_process = Collection()
_open: ContextVar[Collection] = ContextVar("sabot_collection", default=_process)


def current_collection() -> Collection:
    """Return the collection that takes what is being defined now."""
    return _open.get()


@contextmanager
def collecting() -> Iterator[Collection]:
    """Open a collection of its own for the target that is loaded inside the block."""
    collection = Collection()
    token = _open.set(collection)
    try:
        yield collection
    finally:
        _open.reset(token)


def _identity(output: Output) -> tuple[str, ...]:
    from sabot.plan.explain import describe
    from sabot.plan.nodes import Scan, ancestors

    sources = [describe(node) for node in ancestors(output.node) if isinstance(node, Scan)]
    return (*sorted(sources), describe(output.node))


def _interactive() -> bool:
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules


def _notice_at_exit() -> None:
    # Only for the file that was started: a library's outputs are not its user's slip.
    main = _process.main_file
    if main is None or _interactive() or getattr(sys, "last_value", None) is not None:
        return
    forgotten = [output for output in _process.waiting() if output.file == main]
    if not forgotten:
        return
    names = ", ".join(output.node.name for output in forgotten)
    sys.stderr.write(
        f"sabot: {len(forgotten)} output(s) were defined and never run ({names}); "
        f"run them with: sabot run {main}  (or end the script with: sabot.run())\n"
    )


atexit.register(_notice_at_exit)
