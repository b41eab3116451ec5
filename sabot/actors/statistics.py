"""What can be seen of an actor from outside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["ActorState", "ActorStatistics"]


class ActorState(Enum):
    """Where an actor is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"
    """Failed, and waits before it tries again."""
    DRAINING = "draining"
    """Takes no more data and works off what is left."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    """Ended by an error that was escalated."""

    @property
    def is_final(self) -> bool:
        return self in (ActorState.STOPPED, ActorState.FAILED)


@dataclass(frozen=True, slots=True)
class ActorStatistics:
    """One actor at one moment; the values may be some microseconds apart."""

    name: str
    """The actor's name."""
    kind: str
    """What it is: ``pipeline``, ``agent`` or ``actor``."""
    state: ActorState
    """Where it is in its life."""
    depth: int
    """Records waiting in its mailbox."""
    depth_bound: int
    """Records the mailbox holds at most."""
    bytes: int
    """Bytes waiting in its mailbox."""
    bytes_bound: int
    """Bytes the mailbox holds at most."""
    restarts: int
    """How often it was tried again after a failure, transient ones included."""
    last_error: str | None
    """Class and first line of the last failure."""
    records_done: int
    """Records of the messages it has finished."""
    in_hand_seconds: float | None
    """How long it has had its current message, backoff included; ``None`` without one."""
