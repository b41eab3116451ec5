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
from sabot.errors import (
    ActorStoppedError,
    PartitionLostError,
    PlanError,
    SabotError,
)
from sabot.kafka.changelog import changelog_topic
from sabot.kafka.commits import CommitPoint, Transaction
from sabot.kafka.guarantee import ProcessingGuarantee
from sabot.kafka.log_ends import LogEnds
from sabot.kafka.membership import member_properties, transactional_id
from sabot.kafka.reader import KafkaReader, ReaderSettings
from sabot.kafka.schema_topic import SchemaTopic
from sabot.kafka.source_config import EXACTLY_ONCE_INTERVAL_MS
from sabot.kafka.transactions import TransactionalProducer, transaction_timeout
from sabot.logs import get_logger
from sabot.runtime.build import build_actor
from sabot.runtime.checkpoint import Checkpoint
from sabot.runtime.compile import DomainPlan
from sabot.runtime.crash import crash_point
from sabot.runtime.domain_state import DomainState
from sabot.runtime.exactly_once import check_clusters, sinks_of
from sabot.runtime.feeder import Feeder
from sabot.runtime.keeper import Keeper
from sabot.runtime.lane import Lane
from sabot.runtime.local_state import LocalState, on_embedded
from sabot.runtime.messages import Assigned, Released, Work
from sabot.runtime.metadata import start_of
from sabot.runtime.observed import pipeline_statistics
from sabot.runtime.pipeline import PipelineActor
from sabot.runtime.producers import Producers, transaction_properties
from sabot.runtime.progress import Start
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.statistics import PipelineStatistics
from sabot.runtime.supervising import cell_supervision, supervision_of
from sabot.runtime.transactional import TransactionalCommit
from sabot.runtime.userloop import UserLoop
from sabot.runtime.watch import Watch
from sabot.runtime.watchdog import Watchdog
from sabot.state import Shard
from sabot.types import RawBatch, TopicPartition

if TYPE_CHECKING:
    from sabot.state.directory import StateDirectory

__all__ = ["Domain"]

_MAILBOX_BYTES = 64 * 1024 * 1024
_REVOKE_SECONDS = 30.0
_LEAVE_SECONDS = 1.0
_TAKE_OVER_SECONDS = 30.0
_HELD_BYTES = 64 * 1024 * 1024
"""How much may wait for a transaction; with more nothing is read until one is committed."""


class Domain:
    """Runs a domain plan.

    Args:
        plan: What to run.
        application: What dead letters and client ids name.
        system: Where actors live.
        loop: Where agents' handlers run.
        budget: The bytes mailboxes share.
        directory: Where its steps keep state on disk; ``None`` for memory.
        settings: The worker's.
        watchdog: Remembers what was seen of this plan's earlier domains.
        guarantee: What is promised of its outputs.
        slot: What its transactional id ends with.
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
        settings: WorkerSettings,
        watchdog: Watchdog,
        directory: StateDirectory | None = None,
        on_end: Callable[[Domain, BaseException | None], None],
        guarantee: ProcessingGuarantee = "at_least_once",
        slot: str = "0",
    ) -> None:
        self.plan = plan
        # Those that a consumer reads; rows may also come from memory.
        self._sources = [source for source in plan.sources if hasattr(source, "group_id")]
        self._connect_timeout = max(
            (source.connect_timeout_seconds for source in self._sources), default=10.0
        )
        self.watchdog = watchdog
        self.name = plan.name
        self._application = application
        self._settings = settings
        self._system = system
        self._on_end = on_end
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._draining = False
        self._log = get_logger("sabot.domain").bind(group=plan.name)
        self._exactly_once = guarantee == "exactly_once"
        self._interval = self._commit_interval()
        self._is_local = plan.stateful and on_embedded(plan)
        self._transactions = self._make_transactions(slot)
        self.producers = Producers(application, self._transactions, exactly_once=self._exactly_once)
        self._reader = self._make_reader()
        self._schemas = self._make_schemas()
        self._state = self._make_state(directory)
        self._feeder: Feeder | None = None
        self.lanes = self._make_lanes(loop, budget, self._settings.supervision)
        self.checkpoint = Checkpoint(
            self.lanes,
            producers=self.producers.all,
            owned=self._owned,
            commit=self._commit,
            serve=self._serve_commits,
            transaction=None
            if self._transactions is None
            else TransactionalCommit(
                self._transactions,
                self._commit,
                exact=self._exactly_once,
                sources={changelog_topic(application, use.store): use.topic for use in plan.stores},
            ),
        )
        self._keeper = Keeper(
            plan.name,
            self.checkpoint,
            producers=self.producers.all,
            interval=self._interval,
            commits=self._commits,
            resting=lambda: self._draining,
            on_end=self._end,
            stopping=self._stopping,
        )
        self._watch = self._make_watch()

    # --- building -------------------------------------------------------------------

    def _commit_interval(self) -> float:
        return min(
            (
                source.commit_interval_seconds(exactly_once=self._exactly_once)
                for source in self.plan.sources
                if hasattr(source, "commit_interval_seconds")
            ),
            default=EXACTLY_ONCE_INTERVAL_MS / 1000 if self._exactly_once else 5.0,
        )

    def _make_transactions(self, slot: str) -> TransactionalProducer | None:
        if not (self._exactly_once or (self.plan.stateful and not self._is_local)):
            return None
        if not sinks_of(self.plan) and not hasattr(self.plan.sources[0], "bootstrap_servers"):
            return None
        return TransactionalProducer(
            transaction_properties(self.plan, self._application, outputs=self._exactly_once),
            transactional_id=transactional_id(self._application, self.plan.name, slot),
            timeout_seconds=transaction_timeout(self._interval),
        )

    def _make_reader(self) -> KafkaReader | None:
        sources = self._sources
        if not sources:
            return None
        first = sources[0]
        settings = ReaderSettings(
            properties=member_properties(
                first.client_properties(),
                application=self._application,
                slot=self._settings.slot,
                static=self._settings.static_membership,
            ),
            resets={source.topic: source.auto_offset_reset for source in sources},
            batch_size=max(source.batch_size for source in sources),
            connect_timeout=self._connect_timeout,
            cooperative=first.cooperative,
        )
        return KafkaReader(settings, self)

    def _make_watch(self) -> Watch:
        sources = self._sources
        ends = None
        if sources:
            ends = LogEnds(sources[0].client_properties(), self._stopping)
        return Watch(
            self.name,
            self.watchdog,
            self.lanes,
            reader=self._reader,
            ends=ends,
            topic=sources[0].topic if sources else "",
            blocked=self.blocked,
            on_end=self._end,
            stopping=self._stopping,
        )

    def _make_schemas(self) -> SchemaTopic | None:
        sources = self._sources
        if not sources:
            return None
        first = sources[0]
        return SchemaTopic(
            first.bootstrap_servers,
            first.client_properties(),
            self.plan.inferred,
            timeout=self._connect_timeout,
        )

    def _make_state(self, directory: StateDirectory | None) -> DomainState | LocalState | None:
        uses = self.plan.stores
        if not uses or self._reader is None:
            return None
        if self._is_local:
            return LocalState(uses, self.plan.kept, self._begins)
        sources = self._sources
        return DomainState(
            uses,
            application=self._application,
            properties=sources[0].client_properties(),
            settings=self._settings.state,
            directory=directory,
            timeout=self._connect_timeout,
            ready=self._begins,
            failed=self._end,
            member=lambda: None if self._reader is None else self._reader.member_id,
        )

    def _make_lanes(
        self, loop: UserLoop, budget: ByteBudget, default: Supervision | None
    ) -> list[Lane]:
        lanes: list[Lane] = []
        most_bytes = min(_MAILBOX_BYTES, budget.total)
        ends = [output.node for plan in self.plan.pipelines for output in plan.outputs]
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
                neighbours=ends,
            )
            actor.on_finished = self._finished.set
            if isinstance(actor, PipelineActor):
                actor.is_exact = self._transactions is not None
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
        timeout = self._connect_timeout
        self.producers.check(timeout)
        if self._state is not None:
            self._state.open()
        if self._exactly_once:
            check_clusters(self.plan, timeout)
        if self._transactions is not None:
            # Before the reader asks where to begin: what a predecessor of the same slot left
            # open is decided by then.
            self._transactions.open(max(timeout, _TAKE_OVER_SECONDS))
        self._keeper.start()
        if self._reader is not None:
            self._reader.start()
        self._watch.start()
        memory = [
            (lane, plan)
            for lane, plan in zip(self.lanes, self.plan.pipelines, strict=True)
            if all(scan.source.bounded for scan in plan.scans)
        ]
        if memory:
            self._feeder = Feeder(memory, self._end)
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
        """Leave the group and end everything.

        Args:
            timeout: Seconds for all of it. What does not end by then, such as a step that
                hangs, is left behind on its daemon thread.
        """
        deadline = time.monotonic() + timeout
        self._draining = True
        self._ended.set()
        self._stopping.set()
        self._finished.set()
        self._keeper.hurry()
        if self._feeder is not None:
            self._feeder.stop()
        if self._reader is not None:
            self._reader.stop()
            if not self._reader.join(_left(deadline)):
                self._log.error("the reader did not end in time", seconds=timeout)
                self._reader.abandon_commits()
        for lane in reversed(self.lanes):
            lane.actor.abandon()
            lane.ref.stop(drain=False, timeout=_left(deadline))
        self._close_clients(deadline)
        for output in (output for plan in self.plan.pipelines for output in plan.outputs):
            output.runner = None

    def _close_clients(self, deadline: float) -> None:
        if self._state is not None:
            self._state.close()
        if self._schemas is not None:
            self._schemas.close()
        undelivered = self.producers.close(_left(deadline))
        if undelivered:
            self._log.warning("records without a delivery report at the end", records=undelivered)
        for thread in (self._keeper.thread, self._watch.thread):
            if thread.is_alive() and threading.current_thread() is not thread:
                thread.join(_left(deadline))

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

    @property
    def _commits(self) -> bool:
        return all(getattr(source, "enable_auto_commit", True) for source in self.plan.sources)

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
        if self._transactions is not None and self._transactions.held_bytes > _HELD_BYTES:
            self._keeper.hurry()
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
            waiting = sorted(tp for tp in starts if tp.topic in self._state.topics)
            if waiting:
                self._log.info("restoring state", partitions=[str(tp) for tp in waiting])
            starts = {tp: start for tp, start in starts.items() if tp not in waiting}
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
        crash_point("revoke_begun")
        try:
            # At the end the drain has had its time already.
            seconds = _LEAVE_SECONDS if self._ended.is_set() else _REVOKE_SECONDS
            complete = self.checkpoint.cut(seconds)
            if not complete or self.checkpoint.unsettled.intersection(partitions):
                self._cannot_keep(partitions, None)
            if not complete:
                self._log.warning(
                    "partitions released while records were in hand; the next owner does them "
                    "again",
                    partitions=[str(tp) for tp in sorted(partitions)],
                )
        except Exception as error:
            self._cannot_keep(partitions, error)
            self._log.warning("no commit before partitions go", error=str(error))

    def _cannot_keep(
        self, partitions: Collection[TopicPartition], cause: BaseException | None
    ) -> None:
        """End, where what was made of partitions that go is held and cannot be told apart."""
        if self._transactions is None or not partitions:
            return
        gone = ", ".join(str(tp) for tp in sorted(partitions))
        why = f"{gone} went with work that is not committed"
        # First: a cut may be under way, and does not look for the end of the domain.
        if self._reader is not None:
            self._reader.bar(why)
        if self._ended.is_set():
            return
        error = PartitionLostError(why)
        error.__cause__ = cause
        self._end(error)

    def released(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        """Tell the actors that partitions are gone."""
        if self._state is not None:
            self._state.released(partitions)
        if lost:
            self._cannot_keep(partitions, None)
        self.checkpoint.forget(partitions)
        for lane in self.lanes:
            lane.tell(Released(frozenset(partitions)))
        if partitions:
            self._log.info(
                "partitions lost" if lost else "partitions released",
                partitions=[str(tp) for tp in sorted(partitions)],
            )
        crash_point("released")

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

    def _commit(
        self,
        points: Mapping[TopicPartition, CommitPoint],
        within: Transaction | None = None,
    ) -> Mapping[TopicPartition, int]:
        return {} if self._reader is None else self._reader.commit(points, within=within)

    def _serve_commits(self) -> None:
        if self._reader is not None and self._reader.is_own_thread():
            self._reader.serve_commits()

    @property
    def has_run(self) -> bool:
        """Whether sinks and sources were found and reading has begun."""
        if self._reader is None:
            return self._feeder is not None
        return self._reader.has_opened

    def polled_seconds_ago(self, now: float) -> float:
        """Return how long the thread that polls has been busy with something else."""
        if self._reader is None or not self._reader.is_running:
            return 0.0
        return now - self._reader.turned_at

    def unready(self, now: float) -> list[str]:
        """Return why it cannot do its work now, if it cannot."""
        reasons: list[str] = []
        if not self.has_run or (self._reader is not None and not self._reader.is_running):
            reasons.append("starting")
        elif self._reader is not None and not self._reader.is_settled:
            reasons.append("rebalancing")
        if self._state is not None and self._state.restoring:
            left = self._state.remaining()
            reasons.append(f"restores state, {left} changelog offsets are left")
        silent = self.watchdog.silent_for(now)
        if silent is not None:
            reasons.append(f"the broker has not answered for {silent:.0f} s")
        reasons += [f"{tp} stands still" for tp in self.watchdog.stuck]
        reasons += [f"{name} does not get on" for name in self.watchdog.slow]
        return reasons

    def statistics(self) -> list[PipelineStatistics]:
        """Return how each pipeline is."""
        return [pipeline_statistics(lane) for lane in self.lanes]


def _left(deadline: float) -> float:
    return max(0.2, deadline - time.monotonic())
