"""The command ``sabot`` in a process of its own, as it is in this checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sabot.testing import WorkerProcess

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["ROOT", "Command"]


class Command(WorkerProcess):
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
        variables: dict[str, str | None] = {name: None for name in os.environ if _ours(name)}
        variables["PYTHONPATH"] = str(ROOT)
        super().__init__(
            [sys.executable, *(() if python else ("-m", "sabot")), *arguments],
            cwd=cwd,
            environment={**variables, **(environment or {})},
            text=text,
        )


def _ours(name: str) -> bool:
    return name.startswith(("SABOT_", "FRAUD_")) and not name.startswith("SABOT_TEST_")
