"""From a pipeline's plan to the actor that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sabot.actors import Strategy, Supervision
from sabot.clock import Clock
from sabot.codecs import Codec, create_codec
from sabot.codecs.memory import LearningCodec
from sabot.errors import PlanError
from sabot.kafka.producer import KafkaProducer
from sabot.kafka.schema_topic import SchemaTopic
from sabot.kafka.sink import KafkaSinkConfig
from sabot.operators.stateful import StatefulOperator
from sabot.plan.nodes import ForEach, Node, Scan, Terminal, Write, ancestors
from sabot.runtime.agent import AgentActor
from sabot.runtime.branch import Branch, ScanStep
from sabot.runtime.compile import PipelinePlan, build_operator, is_step, topic_of
from sabot.runtime.flow import Effects, Flow
from sabot.runtime.incoming import Incoming
from sabot.runtime.pipeline import PipelineActor
from sabot.runtime.policy import ErrorPolicy
from sabot.runtime.producers import Producers
from sabot.runtime.progress import Progress
from sabot.runtime.stateful_plan import stateful_nodes, volatile_nodes
from sabot.runtime.userloop import UserLoop
from sabot.runtime.writer import Writer
from sabot.types import TopicPartition

__all__ = ["build_actor", "build_flow", "scan_step"]

Owns = Callable[[TopicPartition, int], bool]


def scan_step(scan: Scan, schemas: SchemaTopic | None = None, *, resumes: bool = False) -> ScanStep:
    """Return a scan with its codec and error policy.

    Args:
        scan: The scan.
        schemas: Where what its codec infers is remembered; without it, nowhere.
        resumes: Whether its policy also holds for a batch that fails as a whole.
    """
    source: Any = scan.source
    codec: Codec | None = None
    if hasattr(source, "codec_type"):
        codec = create_codec(
            source.codec_type, source.codec_options, topic=getattr(source, "topic", None)
        )
    topic, incoming = topic_of(scan), None
    if schemas is not None and codec is not None and isinstance(codec, LearningCodec):
        codec.remember(schemas.of(topic, codec.name))
    if hasattr(source, "record_columns") and source.record_columns().names:
        incoming = Incoming(source.record_columns(), topic, scan.name)
    return ScanStep(scan, topic, codec, ErrorPolicy.of(source, resumes=resumes), incoming)


def build_flow(
    ends: Sequence[Terminal],
    effects: Effects,
    writer: Callable[[Write], Writer],
    schemas: SchemaTopic | None = None,
    neighbours: Sequence[Terminal] = (),
    *,
    resumes: bool = False,
    clock: Clock | None = None,
) -> Flow:
    """Return the flow that ends in these nodes."""
    steps: dict[int, Node] = {}
    scans: dict[int, ScanStep] = {}
    for end in ends:
        for node in ancestors(end):
            if isinstance(node, Scan):
                scans.setdefault(id(node), scan_step(node, schemas, resumes=resumes))
            else:
                steps[id(node)] = node
    operators = {key: build_operator(node) for key, node in steps.items() if is_step(node)}
    branches: list[Branch] = []
    names: set[str] = set()
    for end in ends:
        above = [scans[id(node)] for node in ancestors(end) if isinstance(node, Scan)]
        keeping = [operators[id(node)] for node in stateful_nodes(end)]
        branches.append(
            Branch(
                end,
                above,
                Progress(_unique(end.name, names)),
                writer=writer(end) if isinstance(end, Write) else None,
                function=end.function if isinstance(end, ForEach) else None,
                stateful=[each for each in keeping if isinstance(each, StatefulOperator)],
                volatile=volatile_nodes(end) if keeping else frozenset(),
            )
        )
    return Flow(list(scans.values()), operators, branches, effects, neighbours, clock)


def build_actor(
    plan: PipelinePlan,
    *,
    owns: Owns,
    may_finish: Owns,
    producers: Producers,
    application: str,
    loop: UserLoop,
    schemas: SchemaTopic | None = None,
    supervision: Supervision | None = None,
    neighbours: Sequence[Terminal] = (),
    clock: Clock | None = None,
) -> PipelineActor | AgentActor:
    """Return the actor of a pipeline; its sinks' producers are made on the way.

    Args:
        plan: The pipeline.
        owns: Whether rows read under an assignment may be taken up.
        may_finish: Whether rows in hand may still be written.
        producers: Where producers come from.
        application: What dead letters name.
        loop: Where an agent's handler runs.
        schemas: Where inferred schemas are remembered. An agent infers none.
        supervision: What its user asks for.
        neighbours: The ends of all pipelines of the group, which share its retry topics.
        clock: Times retries; the machine's own unless given.
    """
    supervision = supervision or Supervision()
    resumes = supervision.strategy is Strategy.RESUME
    letters: dict[int, tuple[KafkaProducer, str]] = {}
    for scan in plan.scans:
        policy = ErrorPolicy.of(scan.source, resumes=resumes)
        producer = producers.dead_letters(scan.source, policy)
        if producer is not None and policy.dead_letter_topic is not None:
            letters[hash(policy)] = (producer, policy.dead_letter_topic)

    def dead_letters(policy: ErrorPolicy) -> tuple[KafkaProducer, str]:
        return letters[hash(policy)]

    agent = plan.agent
    if agent is not None:
        return AgentActor(
            plan.name,
            agent,
            [scan_step(scan, resumes=resumes) for scan in plan.scans],
            owns=owns,
            dead_letters=dead_letters,
            application=application,
            loop=loop,
            timeout=supervision.timeout_seconds,
            neighbours=neighbours,
            clock=clock,
        )

    def writer(node: Write) -> Writer:
        if not isinstance(node.sink, KafkaSinkConfig):
            raise PlanError(f"{node.name!r} writes to {node.sink.title}, which no worker can")
        return Writer(node.sink, producers.of(node.sink), node.name)

    ends = [output.node for output in plan.outputs]
    sizes = [getattr(scan.source, "batch_size", 1000) for scan in plan.scans]
    return PipelineActor(
        plan.name,
        lambda actor: build_flow(
            ends, actor, writer, schemas, neighbours, resumes=resumes, clock=clock
        ),
        owns=owns,
        may_finish=may_finish,
        dead_letters=dead_letters,
        application=application,
        batch_size=min(sizes),
        clock=clock,
    )


def _unique(name: str, taken: set[str]) -> str:
    wanted, number = name, 1
    while wanted in taken:
        number += 1
        wanted = f"{name}#{number}"
    taken.add(wanted)
    return wanted
