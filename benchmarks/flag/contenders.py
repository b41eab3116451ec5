"""Who takes part, and how each is started, stopped and read."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTENDERS", "PEERS", "ROOT", "YARDSTICK", "Contender"]

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"

YARDSTICK = "handwritten"
"""The contender that every ratio is taken against."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One program that does the job, in an environment and a process of its own.

    Attributes:
        name: Identifies it on the command line and in the results.
        title: How the results page calls it.
        arguments: What follows the interpreter on its command line.
        requirements: The file its environment is built from; ``None`` is this project's own.
        shown: Distributions whose versions the results state.
        batch: The batch size it is told, by ``FLAG_BATCH``.
        slow: Whether it gets the smaller share of records.
        stop: The signal that ends it in an orderly way.
        exit_code: What it exits with when it ends in good order.
        commits: Whether it commits to its Kafka group, so that its commits can be checked.
        reference: Input records per second measured before this project began, on 2 cores.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    requirements: Path | None
    shown: tuple[str, ...]
    batch: int
    slow: bool = False
    stop: signal.Signals = signal.SIGTERM
    exit_code: int = 0
    commits: bool = True
    reference: int | None = None


_SABOT = ("-m", "sabot", "worker", "benchmarks.flag.sabot_app:app")
_SABOT_PARTS = ("sabot-streams", "confluent-kafka", "pyarrow", "msgspec")

CONTENDERS = (
    Contender(
        name=YARDSTICK,
        title="hand-written loop",
        arguments=(str(PEERS / "handwritten.py"),),
        requirements=PEERS / "handwritten.txt",
        shown=("confluent-kafka", "orjson"),
        batch=2_000,  # rates were alike with 10,000, page faults more
        reference=515_000,
    ),
    Contender(
        name="sabot-10000",
        title="Sabot, batch_size=10000",
        arguments=_SABOT,
        requirements=None,
        shown=_SABOT_PARTS,
        batch=10_000,
    ),
    Contender(
        name="sabot-1000",
        title="Sabot, batch_size=1000 (default)",
        arguments=_SABOT,
        requirements=None,
        shown=_SABOT_PARTS,
        batch=1_000,
    ),
    Contender(
        name="bytewax",
        title="bytewax",
        arguments=(str(PEERS / "bytewax_flow.py"),),
        requirements=PEERS / "bytewax_flow.txt",
        shown=("bytewax", "confluent-kafka", "orjson"),
        batch=10_000,
        stop=signal.SIGINT,
        exit_code=1,
        commits=False,
        reference=100_000,
    ),
    Contender(
        name="quix",
        title="Quix Streams",
        arguments=(str(PEERS / "quix_app.py"),),
        requirements=PEERS / "quix_app.txt",
        shown=("quixstreams", "confluent-kafka", "orjson"),
        batch=1,
        reference=67_000,
    ),
    Contender(
        name="faust",
        title="Faust",
        arguments=(
            str(PEERS / "faust_app.py"),
            *("--loop", "uvloop", "--loglevel", "warn"),
            *("worker", "--without-web"),
        ),
        requirements=PEERS / "faust_app.txt",
        shown=("faust-streaming", "aiokafka", "orjson", "uvloop"),
        batch=10_000,
        slow=True,
        reference=6_300,
    ),
)
