"""Read a topic record by record, in a coroutine: `KafkaSource` and its settings."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
import weakref
from functools import partial
from types import TracebackType
from typing import Self

from sabot.errors import ConfigurationError
from sabot.kafka.decode_failures import DecodeFailures
from sabot.kafka.reader import KafkaReader, ReaderSettings
from sabot.kafka.record_codecs import RecordCodecs
from sabot.kafka.record_columns import DEFAULT_KEY_COLUMN
from sabot.kafka.source_buffer import ReadBatch, SourceBuffer
from sabot.kafka.source_config import KafkaSourceConfig
from sabot.types import Record

__all__ = ["KafkaSource", "KafkaSourceConfig", "RecordStream"]

_logger = logging.getLogger(__name__)

_SLICE_SECONDS = 0.005
_LEAVE_SECONDS = 30.0


class KafkaSource:
    """Reads one topic as a member of a group.

    Its records carry the headers, and the key: its bytes, or with a ``key_codec_type`` what
    that makes of them.

    A record counts as finished when the next one is asked for, so the one in hand when a
    loop is left, or when the process dies, is read again. With ``enable_auto_commit``
    finished records are committed every ``auto_commit_interval_ms``, when partitions move
    to another member and when the stream is closed; without it only `commit` commits.

    Nothing is connected before the first record is asked for. One stream of a source is
    open at a time; it may be read on any event loop, by one task at a time.

    Args:
        config: What to read and how.

    Raises:
        ConfigurationError: If it has a ``retry_topic``, a ``headers_column`` or a name for
            the key's column, which are for streams: a record has ``key`` and ``headers``.

    Example:
        A loop that ends with the first bad order, which is then read again next time::

            async with KafkaSource(config).stream() as records:
                async for record in records:
                    await book(record.value)
    """

    def __init__(self, config: KafkaSourceConfig) -> None:
        if config.retry_topic is not None:
            raise ConfigurationError(
                "a KafkaSource has no retry_topic, since it has no steps; replay its dead letters "
                "with --to-source, or read a stream"
            )
        if config.headers_column is not None or config.key_column != DEFAULT_KEY_COLUMN:
            name = "headers_column" if config.headers_column is not None else "key_column"
            raise ConfigurationError(
                f"a KafkaSource has no columns, so leave {name} out: each of its records has "
                "record.headers, and record.key as key_codec_type decodes it"
            )
        self.config = config
        self._stream: weakref.ref[RecordStream] | None = None

    def stream(self) -> RecordStream:
        """Return the records as an asynchronous iterator without an end.

        Raises:
            ConfigurationError: If an earlier stream of this source is still open.
        """
        if self._open_stream() is not None:
            raise ConfigurationError(
                f"the source of topic {self.config.topic!r} is being read already; close that "
                "stream first (await stream.aclose()), or make a second KafkaSource"
            )
        stream = RecordStream(self.config)
        self._stream = weakref.ref(stream)
        return stream

    async def commit(self, message: Record | None = None) -> None:
        """Commit a message, and with it all before it in its partition.

        It says nothing of other partitions, nor does it check that the messages before
        were worked off. A position never goes backwards: a message that is committed
        already changes nothing.

        Args:
            message: The message; without one, everything handed out so far is committed,
                the message in hand included.

        Raises:
            PartitionLostError: If the message's partition has gone to another member.
            CommitError: If the broker refuses; trying again is safe.
            ConfigurationError: If no stream is open.
        """
        stream = self._open_stream()
        if stream is None:
            raise ConfigurationError("there is nothing to commit: no stream of the source is open")
        await stream.commit(message)

    async def aclose(self) -> None:
        """Close the stream, if one is open."""
        stream = self._open_stream()
        if stream is not None:
            await stream.aclose()

    def _open_stream(self) -> RecordStream | None:
        stream = self._stream() if self._stream is not None else None
        return None if stream is None or stream.closed else stream


class RecordStream:
    """The records of a `KafkaSource`, one by one.

    A wait that times out (``asyncio.wait_for(anext(stream), 1.0)``) ends neither the
    stream nor loses a record. To leave the group at once, close it, or use it in ``async
    with``; a stream nobody holds any more is closed in the background.
    """

    def __init__(self, config: KafkaSourceConfig) -> None:
        self._config = config
        self._buffer: SourceBuffer | None = None
        self._reader: KafkaReader | None = None
        self._batch: ReadBatch | None = None
        self._at = 0
        self._hand: Record | None = None
        self._resumed = 0.0
        self._leave: partial[None] | None = None
        self.closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        """Return the next record; the one before it is finished now.

        Raises:
            BrokerUnavailableError, TopicNotFoundError, ConfigurationError: Within
                ``connect_timeout_seconds``, if the source cannot be read.
            DecodeError: At a record that cannot be decoded, if the policy is ``"fail"``,
                or ``"retry"`` and trying again did not help.
            OffsetOutOfRangeError: If the log no longer has the group's position.
        """
        buffer = self._opened()
        if self._hand is not None and self._batch is not None:
            buffer.finish(self._hand, self._batch)
            self._hand = None
        # Before a record is picked, so that a cancelled wait cannot take one with it.
        if time.perf_counter() - self._resumed > _SLICE_SECONDS:
            await asyncio.sleep(0)  # others on this loop want their turn, too
            self._resumed = time.perf_counter()
        while True:
            batch = self._batch
            while batch is not None and self._at < len(batch.records):
                record = batch.records[self._at]
                self._at += 1
                if batch.revision != buffer.revision and not buffer.owns(record, batch):
                    continue
                self._hand = record
                return record
            if batch is not None:
                buffer.finish_batch(batch)
                self._batch = None
            self._batch = await self._take(buffer)
            self._at = 0

    async def _take(self, buffer: SourceBuffer) -> ReadBatch:
        try:
            batch = await buffer.take()
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self.aclose()
            raise
        if batch is None:
            raise StopAsyncIteration
        self._resumed = time.perf_counter()
        return batch

    async def commit(self, message: Record | None = None) -> None:
        """Commit as `KafkaSource.commit` says."""
        if self._buffer is not None:
            hand = None
            if self._hand is not None and self._batch is not None:
                hand = self._hand, self._batch
            await asyncio.wrap_future(self._buffer.request_commit(message, hand))

    async def aclose(self) -> None:
        """Commit what is finished, if that is automatic, and leave the group.

        The record in hand is not finished. Closing twice does nothing.
        """
        self.closed = True
        leave, self._leave = self._leave, None
        if leave is not None:
            atexit.unregister(leave)
            await asyncio.to_thread(leave)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _opened(self) -> SourceBuffer:
        if self.closed:
            raise StopAsyncIteration
        if self._buffer is not None:
            return self._buffer
        config = self._config
        stopped = threading.Event()
        keys = config.record_columns().create_key_codec(config.topic)
        failures = DecodeFailures(config, RecordCodecs(config.create_codec(), keys), stopped)
        buffer = SourceBuffer(config, failures, _logger)
        settings = ReaderSettings(
            properties=config.client_properties(),
            resets={config.topic: config.auto_offset_reset},
            batch_size=config.batch_size,
            connect_timeout=config.connect_timeout_seconds,
            cooperative=config.cooperative,
        )
        reader = buffer.reader = KafkaReader(settings, buffer)
        reader.start()
        self._leave = partial(_leave_group, reader, buffer, failures, stopped)
        atexit.register(self._leave)
        # Nobody waits here: the thread ends by itself, and the hook above joins it at exit.
        weakref.finalize(self, _let_go, reader, buffer, stopped).atexit = False
        self._buffer = buffer
        return buffer


def _let_go(reader: KafkaReader, buffer: SourceBuffer, stopped: threading.Event) -> None:
    stopped.set()
    reader.stop()
    buffer.close()


def _leave_group(
    reader: KafkaReader,
    buffer: SourceBuffer,
    failures: DecodeFailures,
    stopped: threading.Event,
) -> None:
    _let_go(reader, buffer, stopped)
    if not reader.join(_LEAVE_SECONDS):
        _logger.warning("a source did not leave its group within %g s", _LEAVE_SECONDS)
    buffer.abandon()
    failures.close()
