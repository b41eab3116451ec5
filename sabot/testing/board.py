"""Where a driven program writes: producers that keep what they are given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sabot.clock import Clock
from sabot.codecs import Codec
from sabot.kafka.producer import KafkaProducer, Outgoing, Parcel, Undelivered
from sabot.kafka.sink import KafkaSinkConfig
from sabot.runtime.policy import ErrorPolicy
from sabot.runtime.producers import Producers
from sabot.testing.records import ReadRecord
from sabot.types import Headers, Record, TopicPartition

__all__ = ["Board", "BoardProducers"]

Decode = Callable[[bytes | None], Any]


class Board:
    """All that was written, by topic; every topic has one partition.

    Args:
        clock: Gives the time of records that have none.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, list[Record]] = defaultdict(list)
        self._fresh: list[ReadRecord] = []

    def write(self, topic: str, outgoing: Outgoing, decode: Decode) -> None:
        """Take a record."""
        written = self._records[topic]
        stamp = outgoing.timestamp or int(self._clock.time() * 1000)
        headers = tuple(outgoing.headers or ())
        written.append(
            Record(decode(outgoing.value), outgoing.key, headers, topic, 0, len(written), stamp)
        )
        place = TopicPartition(topic, 0)
        self._fresh.append(ReadRecord(outgoing.value, place, 0, outgoing.key, stamp, headers))

    def records(self, topic: str) -> list[Record]:
        """Return what was written to a topic."""
        return list(self._records.get(topic, ()))

    def take_fresh(self) -> list[ReadRecord]:
        """Return, once, what was written since the last time."""
        fresh, self._fresh = self._fresh, []
        return fresh


class _BoardProducer(KafkaProducer):
    """Writes to a board; whatever it is given has arrived."""

    def __init__(self, board: Board, decode: Decode) -> None:
        # Without the parent's: there is no client.
        self._board = board
        self._decode = decode

    def send(
        self,
        topic: str,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        timestamps: Sequence[int],
        *,
        rows: Sequence[int] = (),
        headers: Sequence[Headers] | None = None,
        context: Any = None,
    ) -> Parcel:
        for number, value in enumerate(values):
            extra = None if headers is None else headers[number]
            self._board.write(
                topic, Outgoing(value, keys[number], timestamps[number], extra), self._decode
            )
        return Parcel(topic, len(values), len(values), closed=True, rows=rows, context=context)

    def send_one(self, topic: str, outgoing: Outgoing, *, context: Any = None) -> Parcel:
        self._board.write(topic, outgoing, self._decode)
        return Parcel(topic, 1, 1, closed=True, context=context)

    def poll(self, timeout: float = 0.0) -> None:
        return

    def wait(self, parcels: Iterable[Parcel], timeout: float) -> bool:
        return True

    def resend(self, refused: Undelivered, topic: str, timeout: float) -> Undelivered | None:
        return None

    def close(self, timeout: float = 10.0) -> int:
        return 0


class BoardProducers(Producers):
    """Gives every sink a producer that writes to a board.

    Args:
        board: The board.
        application: As for `Producers`.
    """

    def __init__(self, board: Board, application: str) -> None:
        super().__init__(application)
        self._board = board

    def of(self, config: KafkaSinkConfig) -> KafkaProducer:
        """Return a producer whose records are shown as the sink's codec reads them."""
        return _BoardProducer(self._board, _reading(config.create_codec()))

    def dead_letters(self, source: Any, policy: ErrorPolicy) -> KafkaProducer | None:
        """Return a producer whose records are shown as bytes: nobody could decode them."""
        if policy.dead_letter_topic is None:
            return None
        return _BoardProducer(self._board, lambda value: value)


def _reading(codec: Codec) -> Decode:
    def decode(value: bytes | None) -> Any:
        if value is None:
            return None
        decoded = codec.decode_rows([value])
        return value if decoded.failures else decoded.rows[0]

    return decode
