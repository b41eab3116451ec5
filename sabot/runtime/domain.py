"""A domain: one consumer, the actors it feeds, their producers, one checkpoint.

Everything a failure can undo is in here, so that going back to the last commit is:
end the domain and begin a new one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from sabot.actors import ActorSystem, ByteBudget, Mailbox, Supervision
from sabot.errors import ActorStoppedError, CommitError, PlanError, SabotError
from sabot.kafka.commits import CommitPoint
from sabot.kafka.reader import KafkaReader, ReaderSettings
from sabot.kafka.schema_topic import SchemaTopic
from sabot.logs import get_logger
from sabot.runtime.build import build_actor
from sabot.runtime.checkpoint import Checkpoint
from sabot.runtime.compile import DomainPlan
from sabot.runtime.domain_state import DomainState
from sabot.runtime.feeder import Feeder
from sabot.runtime.lane import Lane
from sabot.runtime.messages import Assigned, Released, Work
from sabot.runtime.metadata import start_of
from sabot.runtime.observed import pipeline_statistics
from sabot.runtime.producers import Producers
from sabot.runtime.progress import Start
from sabot.runtime.settings import StateSettings
from sabot.runtime.statistics import PipelineStatistics
from sabot.runtime.supervising import cell_supervision, supervision_of
from sabot.runtime.userloop import UserLoop
from sabot.state import Shard
from sabot.types import RawBatch, TopicPartition

if TYPE_CHECKING:
    from sabot.state.directory import StateDirectory

__all__ = ["Domain"]

_MAILBOX_BYTES = 64 * 1024 * 1024
_REVOKE_SECONDS = 30.0
_CUT_SECONDS = 60.0
_COMMIT_TROUBLE_SECONDS = 120.0


class Domain:
    """Runs a domain plan.

    Args:
        plan: What to run.
        application: What dead letters and client ids name.
        system: Where actors live.
        loop: Where agents' handlers run.
        budget: The bytes mailboxes share.
        supervision: What holds for actors that have none of their own.
        state: Where and how its steps keep state.
        directory: Where that is on disk; ``None`` for memory.
        on_end: Called once, from any thread, when the domain cannot go on (with the
            error) or has come to the end of its bounded sources (with ``None``).
    """

    def __init__(
        self,
        plan: DomainPlan,
        *,
        application: str,
        system: ActorSystem,
        loop: UserLoop,
        budget: ByteBudget,
        supervision: Supervision | None = None,
        state: StateSettings | None = None,
        directory: StateDirectory | None = None,
        on_end: Callable[[Domain, BaseException | None], None],
    ) -> None:
        self.plan = plan
        self.name = plan.name
        self._application = application
        self._system = system
        self._on_end = on_end
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._draining = False
        self._log = get_logger("sabot.domain").bind(group=plan.name)
        self.producers = Producers(application)
        self._reader = self._make_reader()
        self._schemas = self._make_schemas()
        self._state = self._make_state(state or StateSettings(), directory)
        self._feeder: Feeder | None = None
        self.lanes = self._make_lanes(loop, budget, supervision)
        self.checkpoint = Checkpoint(
            self.lanes,
            producers=self.producers.all,
            owned=self._owned,
            commit=self._commit,
            serve=self._serve_commits,
        )
        self._keeper = threading.Thread(
            target=self._keep, name=f"sabot-checkpoint-{plan.name}", daemon=True
        )

    # --- building -------------------------------------------------------------------

    def _make_reader(self) -> KafkaReader | None:
        sources = [source for source in self.plan.sources if hasattr(source, "group_id")]
        if not sources:
            return None
        first = sources[0]
        settings = ReaderSettings(
            properties=first.client_properties(),
            resets={source.topic: source.auto_offset_reset for source in sources},
            batch_size=max(source.batch_size for source in sources),
            connect_timeout=max(source.connect_timeout_seconds for source in sources),
            cooperative=first.cooperative,
        )
        return KafkaReader(settings, self)

    def _make_schemas(self) -> SchemaTopic | None:
        sources = [source for source in self.plan.sources if hasattr(source, "group_id")]
        if not sources:
            return None
        first = sources[0]
        return SchemaTopic(
            first.bootstrap_servers,
            first.client_properties(),
            self.plan.inferred,
            timeout=max(source.connect_timeout_seconds for source in sources),
        )

    def _make_state(
        self, settings: StateSettings, directory: StateDirectory | None
    ) -> DomainState | None:
        uses = self.plan.stores
        if not uses or self._reader is None:
            return None
        sources = [source for source in self.plan.sources if hasattr(source, "group_id")]
        return DomainState(
            uses,
            application=self._application,
            properties=sources[0].client_properties(),
            settings=settings,
            directory=directory,
            timeout=max(source.connect_timeout_seconds for source in sources),
            ready=self._begins,
            failed=self._end,
            member=lambda: None if self._reader is None else self._reader.member_id,
        )

    def _make_lanes(
        self, loop: UserLoop, budget: ByteBudget, default: Supervision | None
    ) -> list[Lane]:
        lanes: list[Lane] = []
        most_bytes = min(_MAILBOX_BYTES, budget.total)
        for plan in self.plan.pipelines:
            supervision = supervision_of(plan, default)
            actor = build_actor(
                plan,
                owns=self._owns,
                may_finish=self._may_finish,
                producers=self.producers,
                application=self._application,
                loop=loop,
                schemas=self._schemas,
                supervision=supervision,
            )
            actor.on_finished = self._finished.set
            mailbox = Mailbox(max(4 * actor.batch_size, 2000), most_bytes, budget=budget)
            runs_by = cell_supervision(supervision)
            ref = self._system.spawn(actor, mailbox, supervision=runs_by, kind=actor.kind)
            lanes.append(Lane(actor, ref, supervision))
            for output in plan.outputs:
                output.runner = self
        return lanes

    # --- life -----------------------------------------------------------------------

    def start(self) -> None:
        """Check the sinks, then begin to read.

        Raises:
            BrokerError: If a sink's cluster or topic is not there.
        """
        timeout = max(
            (getattr(source, "connect_timeout_seconds", 10.0) for source in self.plan.sources),
            default=10.0,
        )
        self.producers.check(timeout)
        if self._state is not None:
            self._state.open()
        self._keeper.start()
        if self._reader is not None:
            self._reader.start()
        memory = [
            (lane, plan)
            for lane, plan in zip(self.lanes, self.plan.pipelines, strict=True)
            if all(scan.source.bounded for scan in plan.scans)
        ]
        if memory:
            self._feeder = Feeder(memory, self._exhausted)
            self._feeder.start()

    def drain(self, timeout: float) -> bool:
        """Stop reading, finish what was read, commit; ``False`` if time ran out."""
        deadline = time.monotonic() + timeout
        self._draining = True
        while not self._is_done():
            if time.monotonic() > deadline or self._has_failed_actor():
                return False
            self._stopping.wait(0.01)
        if self._has_failed_actor():
            return False
        try:
            return self.checkpoint.cut(max(1.0, deadline - time.monotonic()), commit=self._commits)
        except SabotError as error:
            self._log.error("the last checkpoint failed", error=str(error))
            return False

    def _has_failed_actor(self) -> bool:
        """Whether an actor has ended: what it had in hand is not finished."""
        return any(lane.ref.failure is not None or lane.ref.has_ended for lane in self.lanes)

    def _is_done(self) -> bool:
        """Whether no actor has anything left but what waits behind a failed record.

        An actor that is just taking its last message has it neither waiting nor in hand;
        an answer from between two messages says that there was none.
        """
        if not all(lane.is_idle() for lane in self.lanes):
            return False
        return all(lane.answers_soon() for lane in self.lanes) and all(
            lane.is_idle() for lane in self.lanes
        )

    def salvage(self, timeout: float = 10.0) -> None:
        """After a failure: commit what had been finished before it, as far as possible."""
        self._draining = True
        if not self._commits:
            return
        try:
            self.checkpoint.cut(timeout)
        except Exception as error:
            self._log.warning("no checkpoint after the failure", error=str(error))

    def close(self, timeout: float = 10.0) -> None:
        """Leave the group and end everything."""
        self._draining = True
        self._ended.set()
        self._stopping.set()
        self._finished.set()
        if self._feeder is not None:
            self._feeder.stop()
        if self._reader is not None:
            self._reader.stop()
            if not self._reader.join(timeout):
                self._log.error("the reader did not end in time", seconds=timeout)
        for lane in reversed(self.lanes):
            lane.actor.abandon()
            lane.ref.stop(drain=False, timeout=timeout)
        self._close_clients(timeout)
        if self._keeper.is_alive() and threading.current_thread() is not self._keeper:
            self._keeper.join(timeout)
        for plan in self.plan.pipelines:
            for output in plan.outputs:
                output.runner = None

    def _close_clients(self, timeout: float) -> None:
        if self._state is not None:
            self._state.close()
        if self._schemas is not None:
            self._schemas.close()
        left = self.producers.close(timeout)
        if left:
            self._log.warning("records without a delivery report at the end", records=left)

    def commit_now(self, timeout: float) -> None:
        """Make a checkpoint now; for sources that do not commit by themselves.

        Raises:
            PlanError: In a step's function: the batch in hand is part of the checkpoint.
        """
        if threading.current_thread().name in {f"sabot-{lane.name}" for lane in self.lanes}:
            raise PlanError(
                "commit() was called by a step, whose batch in hand would have to be finished "
                "first; call it from another thread or task"
            )
        self.checkpoint.cut(timeout)

    def _end(self, error: BaseException | None) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._on_end(self, error)

    def _exhausted(self, error: BaseException | None) -> None:
        self._end(error)

    # --- the keeper: checkpoints by time --------------------------------------------

    @property
    def _commits(self) -> bool:
        return all(getattr(source, "enable_auto_commit", True) for source in self.plan.sources)

    def _keep(self) -> None:
        interval = min(
            (
                source.auto_commit_interval_ms / 1000
                for source in self.plan.sources
                if hasattr(source, "auto_commit_interval_ms")
            ),
            default=5.0,
        )
        due = time.monotonic() + interval
        trouble_since: float | None = None
        while not self._stopping.wait(min(0.1, interval)):
            for producer in self.producers.all():
                producer.poll()
            if time.monotonic() < due or self._draining:
                continue
            try:
                self.checkpoint.cut(_CUT_SECONDS, commit=self._commits)
                trouble_since = None
            except CommitError as error:
                now = time.monotonic()
                trouble_since = trouble_since or now
                self._log.warning("checkpoint not committed", error=str(error))
                if now - trouble_since > _COMMIT_TROUBLE_SECONDS:
                    self._end(error)
                    return
            except Exception as error:
                self._end(error)
                return
            due = time.monotonic() + interval

    # --- what the reader asks (ReaderPort) ------------------------------------------

    def arrived(self, batch: RawBatch) -> None:
        """Hand what was read to every actor that reads its topic."""
        topic = next(iter(batch.next_offsets)).topic if batch.next_offsets else None
        if topic is None:
            return
        work = Work(batch, topic)
        for lane in self.lanes:
            if lane.reads(topic):
                lane.send(work)

    def blocked(self, partitions: Collection[TopicPartition]) -> frozenset[TopicPartition]:
        """Return the partitions whose readers are full or that wait behind a failure."""
        if self._draining:
            return frozenset(partitions)
        full: set[str] = set()
        held: set[TopicPartition] = set()
        if self._state is not None:
            held |= self._state.restoring
        for lane in self.lanes:
            if lane.is_full():
                full |= lane.actor.topics
            held |= lane.actor.held
        if not full and not held:
            return frozenset()
        return frozenset(tp for tp in partitions if tp.topic in full or tp in held)

    def wait_for_idle(self, timeout: float) -> None:
        """Wait while every actor is busy; the one that finishes first ends the wait."""
        if all(lane.is_busy() for lane in self.lanes):
            self._finished.clear()
            if all(lane.is_busy() for lane in self.lanes):
                self._finished.wait(timeout)

    def wait_for_room(self, timeout: float) -> None:
        """Wait until some full actor has room again, or just so long where none is full."""
        full = next((lane for lane in self.lanes if lane.is_full()), None)
        if full is None or self._draining:
            self._stopping.wait(timeout)
            return
        with contextlib.suppress(ActorStoppedError):
            full.ref.mailbox.wait_for_room(timeout)

    def assigned(self, positions: Mapping[TopicPartition, tuple[int, int, str]]) -> None:
        """Tell the actors where partitions start."""
        starts = {tp: start_of(*position) for tp, position in positions.items()}
        if self._state is not None:
            self._state.assigned(starts)
            waiting = self._state.topics
            starts = {tp: start for tp, start in starts.items() if tp.topic not in waiting}
        self.checkpoint.begin(starts)
        for lane in self.lanes:
            lane.tell(Assigned(starts))
        if starts:
            self._log.info("partitions assigned", partitions=[str(tp) for tp in sorted(starts)])

    def _begins(self, tp: TopicPartition, start: Start, shards: Mapping[str, Shard]) -> None:
        """Let a partition begin whose state is restored."""
        self.checkpoint.begin({tp: start})
        placed = {(store, tp): shard for store, shard in shards.items()}
        for lane in self.lanes:
            lane.tell(Assigned({tp: start}, placed))
        self._log.info("partition assigned, its state restored", partition=str(tp))

    def revoking(self, partitions: Collection[TopicPartition]) -> None:
        """Commit what is finished before the partitions go."""
        if not partitions or not self._commits:
            return
        try:
            if not self.checkpoint.cut(_REVOKE_SECONDS):
                self._log.warning(
                    "partitions released while records were in hand; the next owner does them "
                    "again",
                    partitions=[str(tp) for tp in sorted(partitions)],
                )
        except Exception as error:
            self._log.warning("no commit before partitions go", error=str(error))

    def released(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        """Tell the actors that partitions are gone."""
        if self._state is not None:
            self._state.released(partitions)
        self.checkpoint.forget(partitions)
        for lane in self.lanes:
            lane.tell(Released(frozenset(partitions)))
        if partitions:
            self._log.info(
                "partitions lost" if lost else "partitions released",
                partitions=[str(tp) for tp in sorted(partitions)],
            )

    def failed(self, error: BaseException) -> None:
        """The reader has ended."""
        self._end(error)

    # --- small parts ----------------------------------------------------------------

    def _owns(self, tp: TopicPartition, epoch: int) -> bool:
        return self._reader is None or self._reader.takes(tp, epoch)

    def _may_finish(self, tp: TopicPartition, epoch: int) -> bool:
        return self._reader is None or self._reader.may_finish(tp, epoch)

    def _owned(self) -> Mapping[TopicPartition, int]:
        return {} if self._reader is None else self._reader.owned()

    def _commit(self, points: Mapping[TopicPartition, CommitPoint]) -> Mapping[TopicPartition, int]:
        return {} if self._reader is None else self._reader.commit(points)

    def _serve_commits(self) -> None:
        if self._reader is not None and self._reader.is_own_thread():
            self._reader.serve_commits()

    @property
    def has_run(self) -> bool:
        """Whether sinks and sources were found and reading has begun."""
        if self._reader is None:
            return self._feeder is not None
        return self._reader.has_opened

    def statistics(self) -> list[PipelineStatistics]:
        """Return how each pipeline is."""
        return [pipeline_statistics(lane) for lane in self.lanes]
