"""Runs a program in the test's own process: records in, records out, time by hand."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from sabot.api.stream import OutputStream, Stream
from sabot.app.app import App
from sabot.codecs import create_codec
from sabot.errors import ConfigurationError, PlanError, nearest
from sabot.plan.nodes import Scan
from sabot.plan.outputs import Output, collecting
from sabot.runtime.agent import AgentActor
from sabot.runtime.build import build_actor
from sabot.runtime.compile import compile_outputs, topic_of
from sabot.runtime.messages import Work
from sabot.runtime.userloop import UserLoop
from sabot.state.value import value_of
from sabot.testing.board import Board, BoardProducers
from sabot.testing.clock import ManualClock
from sabot.testing.driven import DrivenActor, ImpatientClock
from sabot.testing.records import ReadRecord, raw_of
from sabot.types import Headers, Record, TopicPartition

__all__ = ["Driver", "drive"]

_MOST_ROUNDS: Final = 10_000
_SMALLEST_STEP: Final = 1e-6
_LOOP_SECONDS: Final = 30.0

Target = App | Stream | OutputStream | Sequence[OutputStream]


def drive(target: Target, *, now: float = 1_700_000_000.0, batch_size: int | None = None) -> Driver:
    """Drive a program without a broker; use it in a ``with`` block.

    The same plan, codecs, steps, error policies and agents run as in a worker, but in the
    caller's thread and only when the caller says so. What a worker does around them is
    left out: consumer groups, commits to a broker, supervision, ``@app.task`` functions.

    Args:
        target: An app, or what ``to_kafka``/``for_each`` returned, one or several; or a
            stream without an end, whose rows are then found in `Driver.rows`.
        now: What the clock says at first, in seconds since the epoch.
        batch_size: Most records that steps see at once; the source's own unless given.

    Raises:
        PlanError, ConfigurationError: If a worker would refuse it, too.

    Example:
        >>> import sabot
        >>> app = sabot.App("shop")
        >>> large = app.stream("orders").filter(lambda b: b["amount"] > 100)
        >>> _ = large.to_kafka(app.broker, "large")
        >>> with drive(app) as d:
        ...     d.send("orders", {"id": 1, "amount": 20}, key="a")
        ...     d.send("orders", {"id": 2, "amount": 200}, key="b")
        ...     [(record.key, record.value) for record in d.output("large")]
        [(b'b', {'id': 2, 'amount': 200})]
    """
    rows: list[dict[str, Any]] = []
    if isinstance(target, App):
        outputs, name = list(target.outputs), target.id
    elif isinstance(target, Stream):
        with collecting():
            outputs, name = [target.for_each(rows.append).output], "driver"
    else:
        ends = [target] if isinstance(target, OutputStream) else list(target)
        outputs, name = [end.output for end in ends], "driver"
    return Driver(outputs, name=name, rows=rows, clock=ManualClock(now), batch_size=batch_size)


class Driver:
    """A program under test; made by `drive`.

    Nothing happens by itself: `send` queues, and `settle`, `output`, `advance` and all
    that look at the program first run what is queued. Records that the program writes to
    a topic it also reads come back to it. An error that would end a worker is raised
    where it comes up, once; after it nothing runs any more, and what was written until
    then can be looked at.

    Attributes:
        clock: The program's clock, which `advance` moves.
        rows: The rows of a stream without an end.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        *,
        name: str,
        rows: list[dict[str, Any]],
        clock: ManualClock,
        batch_size: int | None,
    ) -> None:
        if not outputs:
            raise PlanError(
                "there is nothing to drive: no output was defined; end a stream with "
                "to_kafka(...) or for_each(...)"
            )
        self.clock = clock
        self._rows = rows
        self._batch_size = batch_size
        self._board = Board(clock)
        self._loop = UserLoop()
        self._hosted: threading.Thread | None = None
        self._end_loop: Any = None
        self._queued: list[ReadRecord] = []
        self._offsets: Counter[TopicPartition] = Counter()
        self._over = False
        producers = BoardProducers(self._board, name)
        pipelines = [each for domain in compile_outputs(outputs) for each in domain.pipelines]
        for output in outputs:
            output.started = True
        self._scans = [scan for pipeline in pipelines for scan in pipeline.scans]
        self._lanes = [
            DrivenActor(
                build_actor(
                    pipeline,
                    owns=lambda _tp, _epoch: True,
                    may_finish=lambda _tp, _epoch: True,
                    producers=producers,
                    application=name,
                    loop=self._loop,
                    clock=clock if pipeline.agent is None else ImpatientClock(clock),
                ),
                clock,
            )
            for pipeline in pipelines
        ]

    # --- in ---------------------------------------------------------------------------

    def send(
        self,
        topic: str,
        value: Any,
        *,
        key: bytes | str | None = None,
        headers: Headers = (),
        timestamp: int | None = None,
        partition: int = 0,
    ) -> None:
        """Queue a record.

        Args:
            topic: A topic the program reads.
            value: Bytes and ``None`` as they are; anything else is encoded by the codec
                the topic is read with.
            key: Text becomes UTF-8.
            headers: Name and bytes.
            timestamp: Milliseconds since the epoch; the clock's time unless given.
            partition: Records of one partition are kept in order.

        Raises:
            ConfigurationError: If nothing reads the topic.
            EncodeError: If the value cannot be encoded.
        """
        data = value if value is None or isinstance(value, bytes) else self._encoded(topic, value)
        self._source(topic)
        stamp = int(self.clock.time() * 1000) if timestamp is None else timestamp
        name = key.encode() if isinstance(key, str) else key
        place = TopicPartition(topic, partition)
        self._queue(ReadRecord(data, place, 0, name, stamp, tuple(headers)))

    def advance(self, seconds: float) -> None:
        """Move the clock; what becomes due on the way runs at its time."""
        self.settle()
        left = seconds
        while left > 0:
            waits = [wait for lane in self._lanes for wait in lane.waits()]
            step = min([left, *(max(wait, _SMALLEST_STEP) for wait in waits)])
            self.clock.advance(step)
            left -= step
            self.settle()

    def settle(self) -> None:
        """Run all that is queued, and what comes of it.

        Raises:
            ProcessingError: If a policy says to fail for a record.
            ConfigurationError: If the program feeds itself without end.
        """
        if self._over:
            return
        try:
            for _ in range(_MOST_ROUNDS):
                self._hand_out()
                moved = [lane.run() for lane in self._lanes]
                self._return_fresh()
                if not any(moved) and not self._queued:
                    return
        except BaseException:
            self._over = True
            raise
        raise ConfigurationError(
            f"the program does not settle: after {_MOST_ROUNDS} rounds it still writes to a "
            "topic that it reads"
        )

    # --- out --------------------------------------------------------------------------

    def output(self, topic: str) -> list[Record]:
        """Return all records written to a topic so far, dead letters among them.

        Values are as the sink's codec reads them; those of dead letters are bytes.
        """
        self.settle()
        return self._board.records(topic)

    def values(self, topic: str) -> list[Any]:
        """Return the values of `output`."""
        return [record.value for record in self.output(topic)]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a stream without an end."""
        self.settle()
        return self._rows

    @property
    def skipped(self) -> int:
        """How many records policies have skipped."""
        self.settle()
        return sum(lane.actor.skipped_count for lane in self._lanes)

    def state(self, store: str) -> dict[bytes, Any]:
        """Return what `Stream.stateful` keeps under a name, by key."""
        self.settle()
        return {
            key: value_of(value) for lane in self._lanes for key, value in lane.state(store).items()
        }

    def position(self, topic: str, partition: int = 0) -> int:
        """Return the offset a worker would commit: all before it is finished."""
        self.settle()
        self._source(topic)
        found = [
            positions[TopicPartition(topic, partition)][1]
            for lane in self._lanes
            for positions in lane.actor.report().positions.values()
            if TopicPartition(topic, partition) in positions
        ]
        return min(found, default=0)

    # --- life -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if any(isinstance(lane.actor, AgentActor) for lane in self._lanes):
            self._start_loop()
        for scan in self._scans:
            source: Any = scan.source
            for raw in source.read() if source.bounded else ():
                self._lane_of(scan).put(Work(raw, topic_of(scan)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        for lane in self._lanes:
            lane.actor.stopping()
        if self._hosted is not None:
            self._loop.wake(self._end_loop)
            self._hosted.join(_LOOP_SECONDS)

    def _start_loop(self) -> None:
        began = threading.Event()

        async def host() -> None:
            ended = asyncio.Event()
            self._end_loop = ended.set
            self._loop.attach(asyncio.get_running_loop())
            began.set()
            await ended.wait()
            self._loop.detach()

        # An agent's handler runs beside the caller, who waits for it.
        self._hosted = threading.Thread(target=lambda: asyncio.run(host()), name="sabot-driver")
        self._hosted.start()
        began.wait(_LOOP_SECONDS)

    # --- between ----------------------------------------------------------------------

    def _source(self, topic: str) -> Any:
        read = {topic_of(scan): scan.source for scan in self._scans if not scan.source.bounded}
        if topic not in read:
            raise ConfigurationError(
                f"nothing reads the topic {topic!r}{nearest(topic, read)}; read are "
                f"{', '.join(read) or 'none'}"
            )
        return read[topic]

    def _encoded(self, topic: str, value: Any) -> bytes | None:
        source = self._source(topic)
        codec = create_codec(source.codec_type, source.codec_options, topic=topic)
        encoded = codec.encode_rows([value])
        if encoded.failures:
            raise encoded.failures[0].error
        return encoded.values[0]

    def _lane_of(self, scan: Scan) -> DrivenActor:
        return next(lane for lane in self._lanes if topic_of(scan) in lane.actor.topics)

    def _hand_out(self) -> None:
        """Give what is queued to the actors, in batches as long as the topic stays."""
        queued, self._queued = self._queued, []
        for lane in self._lanes:
            most = min(self._batch_size or lane.actor.batch_size, lane.actor.batch_size)
            for records in _runs(queued, most):
                if records[0].topic() in lane.actor.topics:
                    lane.put(Work(raw_of(records), records[0].topic()))

    def _return_fresh(self) -> None:
        read = {topic_of(scan) for scan in self._scans}
        for written in self._board.take_fresh():
            if written.topic() in read:
                self._queue(written)

    def _queue(self, record: ReadRecord) -> None:
        self._queued.append(replace(record, at=self._offsets[record.place]))
        self._offsets[record.place] += 1


def _runs(records: Sequence[ReadRecord], most: int) -> list[list[ReadRecord]]:
    """Cut records wherever the topic changes, and so that no part has more than ``most``."""
    parts: list[list[ReadRecord]] = []
    for record in records:
        last = parts[-1] if parts else None
        if last is None or len(last) >= most or last[0].topic() != record.topic():
            parts.append([record])
        else:
            last.append(record)
    return parts
