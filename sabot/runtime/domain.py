"""A domain: one consumer, the actors it feeds, their producers, one checkpoint.

Everything a failure can undo is in here, so that going back to the last commit is:
end the domain and begin a new one.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping

from sabot.actors import ActorSystem, Mailbox, Supervision
from sabot.errors import ActorStoppedError, CommitError, PlanError, SabotError
from sabot.kafka.commits import CommitPoint
from sabot.kafka.log_ends import LogEnds
from sabot.kafka.membership import member_properties
from sabot.kafka.reader import KafkaReader, ReaderSettings
from sabot.kafka.schema_topic import SchemaTopic
from sabot.logs import get_logger
from sabot.runtime.build import build_actor
from sabot.runtime.checkpoint import Checkpoint, start_of
from sabot.runtime.compile import DomainPlan
from sabot.runtime.feeder import Feeder
from sabot.runtime.lane import Lane
from sabot.runtime.messages import Assigned, Released, Work
from sabot.runtime.producers import Producers
from sabot.runtime.settings import WorkerSettings
from sabot.runtime.statistics import PipelineStatistics
from sabot.runtime.userloop import UserLoop
from sabot.runtime.watch import Watch
from sabot.runtime.watchdog import Watchdog
from sabot.types import RawBatch, TopicPartition

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
        settings: The worker's.
        watchdog: Remembers what was seen of this plan's earlier domains.
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
        settings: WorkerSettings,
        watchdog: Watchdog,
        on_end: Callable[[Domain, BaseException | None], None],
    ) -> None:
        self.plan = plan
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
        self.producers = Producers(application)
        self._reader = self._make_reader()
        self._schemas = self._make_schemas()
        self._feeder: Feeder | None = None
        self.lanes = self._make_lanes(loop)
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
        self._watch = self._make_watch()

    # --- building -------------------------------------------------------------------

    def _make_reader(self) -> KafkaReader | None:
        sources = [source for source in self.plan.sources if hasattr(source, "group_id")]
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
            connect_timeout=max(source.connect_timeout_seconds for source in sources),
            cooperative=first.cooperative,
        )
        return KafkaReader(settings, self)

    def _make_watch(self) -> Watch:
        sources = [source for source in self.plan.sources if hasattr(source, "group_id")]
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

    def _make_lanes(self, loop: UserLoop) -> list[Lane]:
        lanes: list[Lane] = []
        ends = [output.node for plan in self.plan.pipelines for output in plan.outputs]
        for plan in self.plan.pipelines:
            actor = build_actor(
                plan,
                owns=self._owns,
                may_finish=self._may_finish,
                producers=self.producers,
                application=self._application,
                loop=loop,
                schemas=self._schemas,
                neighbours=ends,
            )
            actor.on_finished = self._finished.set
            mailbox = Mailbox(max(4 * actor.batch_size, 2000), _MAILBOX_BYTES)
            ref = self._system.spawn(actor, mailbox, supervision=Supervision(), kind=actor.kind)
            lanes.append(Lane(actor, ref))
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
        """Leave the group and end everything, in about ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
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
                self._reader.abandon_commits()
        for lane in reversed(self.lanes):
            lane.actor.abandon()
            lane.ref.stop(drain=False, timeout=_left(deadline))
        if self._schemas is not None:
            self._schemas.close()
        unreported = self.producers.close(_left(deadline))
        if unreported:
            self._log.warning("records without a delivery report at the end", records=unreported)
        for thread in (self._keeper, self._watch.thread):
            if thread.is_alive() and threading.current_thread() is not thread:
                thread.join(_left(deadline))
        for output in (output for plan in self.plan.pipelines for output in plan.outputs):
            output.runner = None

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
        self.checkpoint.begin(starts)
        for lane in self.lanes:
            lane.tell(Assigned(starts))
        if starts:
            self._log.info("partitions assigned", partitions=[str(tp) for tp in sorted(starts)])

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
        silent = self.watchdog.silent_for(now)
        if silent is not None:
            reasons.append(f"the broker has not answered for {silent:.0f} s")
        reasons += [f"{tp} stands still" for tp in self.watchdog.stuck]
        reasons += [f"{name} does not get on" for name in self.watchdog.slow]
        return reasons

    def statistics(self) -> list[PipelineStatistics]:
        """Return how each actor is."""
        return [_statistics(lane) for lane in self.lanes]


def _left(deadline: float) -> float:
    return max(0.2, deadline - time.monotonic())


def _statistics(lane: Lane) -> PipelineStatistics:
    actor, seen = lane.actor, lane.ref.statistics()
    return PipelineStatistics(
        name=actor.name,
        kind=actor.kind,
        state=seen.state.value,
        records_in=actor.records_in,
        records_out=dict(actor.records_out),
        skipped=actor.skipped_count,
        dead_lettered=actor.dead_letter_count,
        restarts=seen.restarts,
        last_error=seen.last_error,
        depth=seen.depth,
        depth_bound=seen.depth_bound,
        bytes=seen.bytes,
        in_hand_seconds=seen.in_hand_seconds,
    )
