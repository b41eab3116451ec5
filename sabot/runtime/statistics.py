"""What can be seen of a worker from outside: frozen snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PipelineStatistics", "WorkerStatistics"]


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """One pipeline or agent at one moment; counts are since the worker's start."""

    name: str
    """The pipeline's name: its group and first topic, or the agent's name."""
    kind: str
    """``pipeline`` or ``agent``."""
    state: str
    """Starting, running, backing off, draining, stopping, stopped or failed."""
    records_in: int
    """Records taken up."""
    records_out: Mapping[str, int] = field(default_factory=dict)
    """Per output, rows handed to it."""
    skipped: int = 0
    """Records a policy skipped."""
    dead_lettered: int = 0
    """Records sent to a dead-letter topic."""
    restarts: int = 0
    """How often a failure was tried again."""
    last_error: str | None = None
    """Class and first line of the last failure."""
    depth: int = 0
    """Records waiting in its mailbox."""
    depth_bound: int = 0
    """Records the mailbox holds at most."""
    bytes: int = 0
    """Bytes waiting in its mailbox."""
    in_hand_seconds: float | None = None
    """How long it has had its current batch."""


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """A worker at one moment."""

    name: str
    """The app's id, or the group's."""
    state: str
    """Starting, running, stopping or stopped."""
    seconds: float
    """Since the start."""
    pipelines: tuple[PipelineStatistics, ...]
    """In the order they were defined."""
    committed: Mapping[str, int] = field(default_factory=dict)
    """``topic[partition]`` to the last offset committed here."""
    checkpoints: int = 0
    """Checkpoints that were committed."""
    stuck: int = 0
    """How often the watchdog has found a partition that stood still."""
    mailbox_bytes: int = 0
    """Bytes that wait in all mailboxes or are in hand."""
    mailbox_bytes_bound: int = 0
    """The most that may be: the setting ``mailbox_bytes``."""
    loop_blocked_seconds: float | None = None
    """For how long the event loop has been blocked, where it is."""
