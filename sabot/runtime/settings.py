"""How a worker behaves, and how its process is set up."""

from __future__ import annotations

import gc
import sys
import uuid
from dataclasses import dataclass, field

from sabot.actors import Backoff, RestartLimit
from sabot.kafka.guarantee import ProcessingGuarantee, check_guarantee

__all__ = ["WorkerSettings", "tune_process"]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker behaves.

    Attributes:
        drain_timeout_seconds: How long a stop may take to finish what was read.
        restart_backoff: The waits before a domain is begun again after the broker failed
            it.
        restart_limit: How often that may happen in which time.
        processing_guarantee: For all sources that do not ask for one themselves.
        slot: What tells this worker's transactions from those of others of the same app:
            a worker that is started again under the same slot takes over at once what its
            predecessor left open, while another one waits until the broker aborts it. Two
            that run must not have the same one. Random unless given.
        tune_process: Whether to set the interpreter up for a worker (`docs/operations.md`).
            For processes that are the worker's own.
    """

    drain_timeout_seconds: float = 30.0
    restart_backoff: Backoff = field(default_factory=lambda: Backoff(min_seconds=1.0))
    restart_limit: RestartLimit = field(default_factory=RestartLimit)
    tune_process: bool = True
    processing_guarantee: ProcessingGuarantee | None = None
    slot: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def __post_init__(self) -> None:
        check_guarantee(self.processing_guarantee)


def tune_process() -> None:
    """Set the interpreter up for a process that is a worker and nothing else.

    Beside a busy Python thread a hop between threads takes 5 ms by default; 0.5 ms costs
    some percent of throughput. The collector by default looks at everything that lives
    after every 700 new objects, thousands of which are records on their way: it looks less
    often, and never again at what was there before the start.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
