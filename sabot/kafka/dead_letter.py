"""The headers that say of a dead-lettered record where it came from and why it is there.

Key and value are sent on as they were, byte for byte; what is known of them goes into
headers, so that a record can be put right and sent again. Where the dead-letter topic does
not take it so, for its size or its time, it still gets there, by what `mend` changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sabot.errors import DeliveryError
from sabot.kafka.producer import NO_TIMESTAMP, KafkaProducer, Outgoing, Parcel, Undelivered
from sabot.types import SourceRecord

__all__ = [
    "DEAD_LETTER_PREFIX",
    "DeadLetter",
    "dead_letter_headers",
    "dead_letter_of",
    "send_dead_letter",
]

DEAD_LETTER_PREFIX = "sabot-"
"""All headers Sabot adds start so."""

_MAX_MESSAGE = 2000
_KEPT_BYTES = (65_536, 1024, 0)
"""How much of a value is kept where the topic takes no more; tried in this order."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter on its way: the context of its parcel.

    Attributes:
        producer: Who sends it.
        outgoing: The record with its headers.
    """

    producer: KafkaProducer
    outgoing: Outgoing

    def mend(self, parcel: Parcel, timeout: float) -> None:
        """Send the letter again where it was refused, changed so that it is taken.

        One that is too large loses the end of its value, and ``sabot-truncated`` says how
        many bytes that value had; one whose timestamp is refused gets the present time
        (``sabot-source-timestamp`` has the record's own).

        Raises:
            DeliveryError: If it is refused all the same; nothing may be committed past it.
        """
        for refused in parcel.undelivered():
            self._mend(refused, parcel.topic, timeout)
            parcel.resolve(refused)

    def _mend(self, refused: Undelivered, topic: str, timeout: float) -> None:
        left: Undelivered | None = replace(refused, outgoing=self.outgoing)
        sizes = [size for size in _KEPT_BYTES if size < len(self.outgoing.value or b"")]
        while left is not None:
            changed = left.outgoing
            if left.code == "INVALID_TIMESTAMP" and changed.timestamp:
                changed = replace(changed, timestamp=0)
            elif left.code == "MSG_SIZE_TOO_LARGE" and sizes:
                changed = _truncated(self.outgoing, changed.timestamp, sizes.pop(0))
            else:
                raise DeliveryError(
                    f"{topic!r} did not take a dead letter: {left.reason} ({left.code})"
                )
            again = self.producer.resend(replace(left, outgoing=changed), topic, timeout)
            left = None if again is None else replace(again, outgoing=changed)


def send_dead_letter(producer: KafkaProducer, topic: str, outgoing: Outgoing) -> Parcel:
    """Send a dead letter; the parcel's context can mend it where it is refused."""
    return producer.send_one(topic, outgoing, context=DeadLetter(producer, outgoing))


def dead_letter_of(
    record: SourceRecord,
    *,
    error: BaseException,
    step: str,
    attempt: int,
    application: str,
) -> Outgoing:
    """Return a record as a dead letter: its own bytes and time, and headers that say why.

    Args:
        record, error, step, attempt, application: As for `dead_letter_headers`.
    """
    kind, stamp = record.timestamp()
    headers = dead_letter_headers(
        record, error=error, step=step, attempt=attempt, application=application
    )
    return Outgoing(record.value(), record.key(), stamp if kind else NO_TIMESTAMP, headers)


def dead_letter_headers(
    record: SourceRecord,
    *,
    error: BaseException,
    step: str,
    attempt: int,
    application: str,
) -> list[tuple[str, bytes | None]]:
    """Return the record's own headers, untouched and first, then those about its failure.

    The added ones are ``sabot-source-topic``, ``-source-partition``, ``-source-offset``,
    ``-source-timestamp`` (milliseconds; absent where the record has none),
    ``-error-class`` and ``-error-message`` (of the user's exception where there is one),
    ``-step``, ``-attempt`` and ``-application``; numbers are decimal text. A record that
    was dead-lettered before keeps the older ones, too: the last of a name counts.

    Args:
        record: The record as it was read.
        error: Why it is here.
        step: The name of the step that could not take it.
        attempt: How often it was tried.
        application: Who tried: the app's id, or the group id.
    """
    cause = error.__cause__ or error
    kind, milliseconds = record.timestamp()
    added: dict[str, str] = {
        "source-topic": record.topic(),
        "source-partition": str(record.partition()),
        "source-offset": str(record.offset()),
    }
    if kind:
        added["source-timestamp"] = str(milliseconds)
    added |= {
        "error-class": f"{type(cause).__module__}.{type(cause).__qualname__}",
        "error-message": str(error)[:_MAX_MESSAGE],
        "step": step,
        "attempt": str(attempt),
        "application": application,
    }
    headers = list(record.headers() or ())
    headers.extend(
        (DEAD_LETTER_PREFIX + name, text.encode("utf-8", "replace")) for name, text in added.items()
    )
    return headers


def _truncated(outgoing: Outgoing, timestamp: int, size: int) -> Outgoing:
    value = outgoing.value or b""
    length = str(len(value)).encode()
    headers = [*(outgoing.headers or ()), (f"{DEAD_LETTER_PREFIX}truncated", length)]
    return replace(outgoing, value=value[:size], timestamp=timestamp, headers=headers)
