"""What becomes of records of a `KafkaSource` that cannot be decoded."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from sabot.codecs import Codec
from sabot.errors import CodecError, DecodeError, DeliveryError
from sabot.kafka.connect import check_cluster, client_errors, open_producer
from sabot.kafka.dead_letter import dead_letter_headers
from sabot.kafka.properties import connection_properties

if TYPE_CHECKING:
    from sabot.kafka.source_config import KafkaSourceConfig
    from sabot.types import SourceRecord

__all__ = ["DecodeFailures"]

_logger = logging.getLogger(__name__)

_DELIVERY_SECONDS = 30.0


class DecodeFailures:
    """Applies a source's error policy to records its codec refuses.

    ``skip`` passes over them; ``fail`` raises; ``retry`` decodes again, since a schema
    registry may answer the next time, and then raises; ``dead_letter`` sends key and value
    as they were to the dead-letter topic and returns only when they have arrived there,
    so nothing behind them can be committed before.

    Called by the source's reading thread alone, which waits meanwhile.

    Args:
        config: The source's settings.
        codec: The codec that refused.
        stopped: Set when the source is closed; ends waiting.
    """

    def __init__(self, config: KafkaSourceConfig, codec: Codec, stopped: threading.Event) -> None:
        self._config = config
        self._codec = codec
        self._stopped = stopped
        self._producer: Any = None

    def settle(self, record: SourceRecord, error: CodecError) -> tuple[Any] | None:
        """Return the record's value after all, in a tuple, or ``None`` to pass over it.

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

    def _retry(self, record: SourceRecord, error: CodecError) -> tuple[Any]:
        wait = self._config.retry_backoff_seconds
        attempts = 1
        for _ in range(self._config.max_retry_attempts):
            if self._stopped.wait(wait):
                break
            wait *= 2
            attempts += 1
            again = self._codec.decode_rows([record.value()])
            if not again.failures:
                return (again.rows[0],)
            error = again.failures[0].error
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
        reports: list[str | None] = []
        headers = dead_letter_headers(
            record, error=error, step="decode", attempt=1, application=self._config.group_id
        )
        if self._producer is None:
            self._producer = self._open(topic)
        self._producer.produce(
            topic,
            record.value(),
            record.key(),
            headers=cast("Any", headers),
            on_delivery=lambda failed, _: reports.append(failed and failed.str()),
        )
        self._producer.flush(_DELIVERY_SECONDS)
        if reports != [None]:
            reason = reports[0] if reports else f"no answer in {_DELIVERY_SECONDS:g} s"
            raise DeliveryError(
                f"{record.topic()}[{record.partition()}]@{record.offset()} cannot be decoded, and "
                f"dead-letter topic {topic!r} did not take it: {reason}"
            ) from error

    def _open(self, topic: str) -> Any:
        properties = connection_properties(self._config.client_properties())
        errors = client_errors(properties)
        producer = open_producer({**properties, "enable.idempotence": True}, errors)
        timeout = self._config.connect_timeout_seconds
        check_cluster(producer, [topic], timeout=timeout, errors=errors)
        return producer

    def decode(self, records: Sequence[SourceRecord], values: Sequence[bytes | None]) -> list[Any]:
        """Decode a batch; records that are passed over are left out.

        Returns:
            Pairs of record and value, in order. Where a record ends the source, the last
            element is that exception instead.
        """
        decoded = self._codec.decode_rows(values)
        failures = {failure.index: failure.error for failure in decoded.failures}
        rows = iter(decoded.rows)
        pairs: list[Any] = []
        for number, record in enumerate(records):
            if number not in failures:
                pairs.append((record, next(rows)))
                continue
            try:
                value = self.settle(record, failures[number])
            except (DecodeError, DeliveryError, OSError) as error:
                pairs.append(error)
                break
            if value is not None:
                pairs.append((record, value[0]))
        return pairs
