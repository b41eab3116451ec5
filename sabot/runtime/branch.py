"""Where rows of a pipeline come in and where they leave, and how far that has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sabot.codecs.codec import Codec
from sabot.operators.stateful import StatefulOperator
from sabot.plan.nodes import Scan, Terminal
from sabot.runtime.incoming import Incoming
from sabot.runtime.policy import ErrorPolicy
from sabot.runtime.progress import Progress
from sabot.runtime.writer import Writer
from sabot.types import Batch

__all__ = ["Branch", "ScanStep"]


@dataclass(slots=True, eq=False)
class ScanStep:
    """A scan with what it takes to decode.

    Attributes:
        node: The scan.
        topic: The topic it reads; ``None`` for a source without topics.
        codec: Decodes values; ``None`` where rows never were bytes.
        policy: The error policy of everything below it.
        incoming: Adds columns of keys and headers, where they are asked for.
    """

    node: Scan
    topic: str | None
    codec: Codec | None
    policy: ErrorPolicy
    incoming: Incoming | None = None


@dataclass(slots=True, eq=False)
class Branch:
    """One end of the plan, and how far it has come.

    Attributes:
        stateful: The steps above it that keep state; no other branch has them.
        volatile: The nodes whose rows depend on state, by identity: what was evaluated of
            them holds for one attempt only.
    """

    node: Terminal
    scans: Sequence[ScanStep]
    progress: Progress
    writer: Writer | None = None
    function: Callable[[dict[str, Any]], Any] | None = None
    collect: Callable[[Batch], None] | None = None
    stateful: Sequence[StatefulOperator] = ()
    volatile: frozenset[int] = frozenset()

    def reads(self, topic: str | None) -> bool:
        """Whether rows of a topic come by here."""
        return any(scan.topic == topic for scan in self.scans)
