"""How a worker behaves, and how its process is set up."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sabot.actors import Backoff, ByteBudget, RestartLimit, Supervision
from sabot.errors import ConfigurationError, nearest
from sabot.kafka.guarantee import ProcessingGuarantee, check_guarantee

__all__ = ["StateSettings", "WorkerSettings", "tune_process"]


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where and how steps keep state (``docs/state.md``).

    Attributes:
        store: ``memory``, restored from the changelog at each start, or ``rocksdb``, on
            disk: a restart reads only what it has missed.
        directory: Where stores on disk are; the workers of one machine share it.
        policy: What to do with state that no commit of the app speaks of, as after a
            reset of offsets: ``refuse`` to start, ``keep`` it, or ``rebuild`` it from
            nothing.
        standby_replicas: How many other workers keep a copy of each partition's state.

    Raises:
        ConfigurationError: For a value that is not allowed.
    """

    store: Literal["memory", "rocksdb"] = "memory"
    directory: Path | str = "sabot-state"
    policy: Literal["refuse", "keep", "rebuild"] = "refuse"
    standby_replicas: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("store", ("memory", "rocksdb")),
            ("policy", ("refuse", "keep", "rebuild")),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigurationError(
                    f"{name} of the state is {value!r}; allowed are "
                    f"{', '.join(allowed)}{nearest(str(value), allowed)}"
                )
        if self.standby_replicas < 0:
            raise ConfigurationError(
                f"standby_replicas is {self.standby_replicas!r}; allowed is 0 or more"
            )


_ABOVE_ZERO = (
    "stuck_seconds",
    "slow_seconds",
    "processing_timeout_seconds",
    "broker_timeout_seconds",
    "health_seconds",
)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker behaves.

    Raises:
        ConfigurationError: If a value is not usable.

    Attributes:
        drain_timeout_seconds: How long a stop may take to finish what was read.
        restart_backoff: The waits before a domain is begun again after the broker failed
            it.
        restart_limit: How often that may happen in which time.
        supervision: What holds for actors that have none of their own, and how they
            stand together (`docs/supervision.md`).
        mailbox_bytes: Bytes that may wait for all actors together; half of it is kept in
            equal parts, so that a slow actor starves no other.
        blocked_loop_seconds: After how long a blocked event loop is named in a warning;
            ``None`` looks at no loop.
        stuck_seconds: How long a partition may stand with records to read, and a leader
            that answers, until it is read anew; after as long again the worker ends.
        slow_seconds: How long a step may take for what it has in hand (an event for an
            agent, a batch for a pipeline) until it is named in a warning, again and again.
        processing_timeout_seconds: How long it may take until the worker ends; ``None``
            for ever.
        broker_timeout_seconds: How long a broker that had answered may be silent until the
            worker ends.
        health_seconds: How long the thread that polls may be busy with something else
            until the worker counts as ill.
        slot: A name for this worker that no other of the app has at the same time, and
            that it has again after a restart; a client is called ``sabot-GROUP-SLOT``. A
            worker that is started again under its slot takes over at once what
            transactions its predecessor left open. Unless given, transactions take the
            lowest number that is free in the state directory of this machine.
        static_membership: Whether it joins its groups as ``ID-SLOT``, so that a restart
            within the session time-out moves no partitions; without a slot the machine's
            name is taken for it, which in Kubernetes is the pod's.
        web_port: Where ``/health``, ``/ready`` and statistics are served; 0 for a free
            port, ``None`` for nowhere.
        web_host: The address to listen on.
        processing_guarantee: For all sources that do not ask for one themselves.
        tune_process: Whether to set the interpreter up for a worker (`docs/operations.md`).
            For processes that are the worker's own.
        state: Where and how steps keep state.
    """

    drain_timeout_seconds: float = 30.0
    restart_backoff: Backoff = field(default_factory=lambda: Backoff(min_seconds=1.0))
    restart_limit: RestartLimit = field(default_factory=RestartLimit)
    supervision: Supervision | None = None
    mailbox_bytes: int = 256 * 1024 * 1024
    blocked_loop_seconds: float | None = 5.0
    stuck_seconds: float = 30.0
    slow_seconds: float = 30.0
    processing_timeout_seconds: float | None = None
    broker_timeout_seconds: float = 120.0
    health_seconds: float = 90.0
    slot: str | None = None
    static_membership: bool = False
    web_port: int | None = None
    web_host: str = "127.0.0.1"
    tune_process: bool = True
    state: StateSettings = field(default_factory=StateSettings)
    processing_guarantee: ProcessingGuarantee | None = None

    def __post_init__(self) -> None:
        check_guarantee(self.processing_guarantee)
        ByteBudget(self.mailbox_bytes)  # wrong here or nowhere
        if self.blocked_loop_seconds is not None and not self.blocked_loop_seconds > 0:
            raise ConfigurationError(
                f"blocked_loop_seconds is {self.blocked_loop_seconds!r}; allowed: a number "
                f"above 0, or None"
            )
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} is {value!r}; allowed: seconds above 0")
        if self.web_port is not None and not 0 <= self.web_port <= 65535:
            raise ConfigurationError(f"web_port is {self.web_port!r}; allowed: 0 to 65535")


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
