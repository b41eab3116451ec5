"""What becomes of records of a `KafkaSource` that cannot be decoded."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from sabot.errors import CodecError, DecodeError, DeliveryError
from sabot.kafka.connect import check_cluster
from sabot.kafka.dead_letter import DeadLetter, dead_letter_of, send_dead_letter
from sabot.kafka.producer import KafkaProducer
from sabot.kafka.properties import connection_properties
from sabot.kafka.record_codecs import Pair, RecordCodecs

if TYPE_CHECKING:
    from sabot.kafka.source_config import KafkaSourceConfig
    from sabot.types import SourceRecord

__all__ = ["DecodeFailures"]

_logger = logging.getLogger(__name__)

_DELIVERY_SECONDS = 30.0
_LONGEST_PAUSE = 30.0


class DecodeFailures:
    """Applies a source's error policy to records its codec refuses.

    ``skip`` passes over them; ``fail`` raises; ``retry`` decodes again, since a schema
    registry may know more the next time, and then raises; ``dead_letter`` sends key, value
    and time as they were to the dead-letter topic and returns only when they have arrived
    there, so nothing behind them can be committed before. A registry that does not answer
    is nobody's fault: it is waited for, with growing pauses.

    Called by the source's reading thread alone, which waits meanwhile.

    Args:
        config: The source's settings.
        codecs: What decodes values and keys.
        stopped: Set when the source is closed; ends waiting.
    """

    def __init__(
        self, config: KafkaSourceConfig, codecs: RecordCodecs, stopped: threading.Event
    ) -> None:
        self._config = config
        self._codecs = codecs
        self._stopped = stopped
        self._producer: KafkaProducer | None = None

    def settle(self, record: SourceRecord, error: CodecError) -> Pair | None:
        """Return the record's value and key after all, or ``None`` to pass over it.

        Raises:
            DecodeError: If the policy says so; names the record.
            DeliveryError: If the dead-letter topic does not take it.
        """
        policy = self._config.decode_policy
        if policy == "retry":
            return self._retry(record, error)
        if policy == "fail":
            raise self._located(record, error, attempts=1)
        if policy == "dead_letter":
            self._dead_letter(record, error)
        if random.random() < self._config.error_sample_rate:  # noqa: S311 - a sample of log lines
            where = f"{record.topic()}[{record.partition()}]@{record.offset()}"
            done = "dead-lettered" if policy == "dead_letter" else "skipped"
            _logger.warning("%s cannot be decoded and is %s: %s", where, done, error)
        return None

    def close(self) -> None:
        """Let go of the producer; everything it was given has arrived already."""
        self._producer = None

    def _retry(self, record: SourceRecord, error: CodecError) -> Pair:
        wait = self._config.retry_backoff_seconds
        attempts = 1
        for _ in range(self._config.max_retry_attempts):
            if self._stopped.wait(wait):
                break
            wait *= 2
            attempts += 1
            (again,) = self._decoded([record], [record.value()])
            if not isinstance(again, CodecError):
                return again
            error = again
        raise self._located(record, error, attempts=attempts)

    def _located(self, record: SourceRecord, error: CodecError, *, attempts: int) -> DecodeError:
        times = f" after {attempts} attempts" if attempts > 1 else ""
        failure = DecodeError(
            f"{record.topic()}[{record.partition()}]@{record.offset()} cannot be decoded"
            f"{times}: {error}"
        )
        failure.__cause__ = error
        return failure

    def _dead_letter(self, record: SourceRecord, error: CodecError) -> None:
        topic = cast("str", self._config.dead_letter_topic)
        where = f"{record.topic()}[{record.partition()}]@{record.offset()}"
        if self._producer is None:
            self._producer = self._open(topic)
        letter = dead_letter_of(
            record, error=error, step="decode", attempt=1, application=self._config.group_id
        )
        try:
            parcel = send_dead_letter(self._producer, topic, letter)
            settled = self._producer.wait([parcel], _DELIVERY_SECONDS)
            if parcel.refused:
                cast("DeadLetter", parcel.context).mend(parcel, _DELIVERY_SECONDS)
        except DeliveryError as refusal:
            raise DeliveryError(f"{where} cannot be decoded, and {refusal}") from error
        if not settled:
            raise DeliveryError(
                f"{where} cannot be decoded, and dead-letter topic {topic!r} did not take it: no "
                f"answer in {_DELIVERY_SECONDS:g} s"
            ) from error

    def _open(self, topic: str) -> KafkaProducer:
        properties = connection_properties(self._config.client_properties())
        producer = KafkaProducer({**properties, "enable.idempotence": True})
        timeout = self._config.connect_timeout_seconds
        check_cluster(producer.client, [topic], timeout=timeout, errors=producer.errors)
        return producer

    def decode(self, records: Sequence[SourceRecord], values: Sequence[bytes | None]) -> list[Any]:
        """Decode a batch; records that are passed over are left out.

        Returns:
            Triples of record, value and key, in order. Where a record ends the source, the
            last element is that exception instead.
        """
        found: list[Any] = []
        try:
            decoded = self._decoded(records, values)
        except CodecError as error:
            return [error]
        for record, outcome in zip(records, decoded, strict=True):
            try:
                pair = self.settle(record, outcome) if isinstance(outcome, CodecError) else outcome
            except (CodecError, DeliveryError, OSError) as error:
                found.append(error)
                break
            if pair is not None:
                found.append((record, *pair))
        return found

    def _decoded(
        self, records: Sequence[SourceRecord], values: Sequence[bytes | None]
    ) -> list[Pair | CodecError]:
        """Decode, waiting for as long as what it takes does not answer.

        Raises:
            CodecError: If it does not answer and the source was closed, or refuses.
        """
        wait = self._config.retry_backoff_seconds
        while True:
            try:
                return self._codecs.decode(records, values)
            except CodecError as error:
                if not error.retriable:
                    raise
                _logger.warning("%s; tried again in %g s", error, wait)
                if self._stopped.wait(wait * random.uniform(0.8, 1.2)):  # noqa: S311 - a jitter
                    raise
            wait = min(max(wait, 0.1) * 2, _LONGEST_PAUSE)
