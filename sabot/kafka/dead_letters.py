"""Dead letters as they are read again: what their headers say, and how they go back.

A dead letter carries its record's key, value and headers as they were, and behind them
what `sabot.kafka.dead_letter.dead_letter_headers` added. Reading joins no group and
commits nothing, and nothing is ever taken out of a dead-letter topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sabot.errors import ConfigurationError
from sabot.kafka.dead_letter import DEAD_LETTER_PREFIX
from sabot.types import Headers, Record, TopicPartition

__all__ = [
    "REPLAY_ATTEMPT",
    "REPLAY_SOURCE",
    "Letter",
    "Tally",
    "letter_of",
    "replay_headers",
    "replayed_step",
    "retry_topic_of",
    "tally",
]

REPLAY_ATTEMPT = f"{DEAD_LETTER_PREFIX}replay-attempt"
"""How often a record was replayed; stays with it when it fails again."""

REPLAY_SOURCE = f"{DEAD_LETTER_PREFIX}replay-source"
"""The topic a record of a retry topic was read from at first."""

_STEP = f"{DEAD_LETTER_PREFIX}step"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        record: The record in the dead-letter topic.
        headers: The original record's own headers.
        error_class: The exception's class, with its module.
        error_message: What it said.
        step: The step that could not take the record.
        source: The partition it was read from, where the headers say so.
        offset: Its offset there.
        timestamp: Its own timestamp in milliseconds.
        attempt: How often that step tried.
        application: Who tried.
        replays: How often the record was replayed before it came here.
        origin: The topic it was read from before any replay.
        truncated: How long its value was, if only a part of it is here.
    """

    record: Record
    headers: Headers
    error_class: str
    error_message: str
    step: str
    source: TopicPartition | None
    offset: int | None
    timestamp: int | None
    attempt: int
    application: str
    replays: int
    origin: str | None
    truncated: int | None

    @property
    def error(self) -> str:
        """The exception's class without its module."""
        return self.error_class.rpartition(".")[2]

    @property
    def where(self) -> str:
        """Where the record was read: ``topic[partition]@offset``."""
        return "unknown" if self.source is None else f"{self.source}@{self.offset}"


@dataclass(slots=True)
class Tally:
    """Letters of one error, step and source topic.

    Attributes:
        count: How many.
        first: When the oldest was written, in milliseconds.
        last: When the newest was.
        replayed: How many of them were sent back.
    """

    count: int = 0
    first: int | None = None
    last: int | None = None
    replayed: int = 0

    def add(self, written: int | None, *, replayed: bool = False) -> None:
        """Count one more."""
        self.count += 1
        self.replayed += replayed
        if written is not None:
            self.first = written if self.first is None else min(self.first, written)
            self.last = written if self.last is None else max(self.last, written)


def letter_of(record: Record) -> Letter:
    """Read the headers of a record in a dead-letter topic.

    What is missing or no number is left open: anybody may write there. Of a name that
    occurs more than once the last counts: it tells of the latest failure.

    Example:
        >>> headers = [("trace", b"1"), ("sabot-step", b"map-1"), ("sabot-attempt", b"2")]
        >>> letter = letter_of(Record(b"{", None, headers, "dlq", 0, 7, None))
        >>> letter.step, letter.attempt, letter.headers
        ('map-1', 2, [('trace', b'1')])
    """
    ours = {
        name.removeprefix(DEAD_LETTER_PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith(DEAD_LETTER_PREFIX)
    }
    topic, partition = ours.get("source-topic"), _number(ours.get("source-partition"))
    return Letter(
        record=record,
        headers=[each for each in record.headers if not each[0].startswith(DEAD_LETTER_PREFIX)],
        error_class=ours.get("error-class", "unknown"),
        error_message=ours.get("error-message", ""),
        step=ours.get("step", "unknown"),
        source=None if topic is None or partition is None else TopicPartition(topic, partition),
        offset=_number(ours.get("source-offset")),
        timestamp=_number(ours.get("source-timestamp")),
        attempt=_number(ours.get("attempt")) or 0,
        application=ours.get("application", "unknown"),
        replays=_number(ours.get("replay-attempt")) or 0,
        origin=ours.get("replay-source", topic),
        truncated=_number(ours.get("truncated")),
    )


def tally(
    letters: Iterable[Letter], replayed: Callable[[Record], bool] = lambda _: False
) -> dict[tuple[str, str, str], Tally]:
    """Count letters by error, step and source topic, the most frequent first.

    Args:
        letters: The letters.
        replayed: Whether one was sent back.
    """
    found: dict[tuple[str, str, str], Tally] = {}
    for letter in letters:
        topic = "unknown" if letter.source is None else letter.source.topic
        key = (letter.error, letter.step, topic)
        one = found.setdefault(key, Tally())
        one.add(letter.record.timestamp, replayed=replayed(letter.record))
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def retry_topic_of(letter: Letter) -> str:
    """Return the topic a letter is replayed to unless another is named.

    Raises:
        ConfigurationError: If the letter does not say where it came from.
    """
    if letter.origin is None:
        raise ConfigurationError(
            f"{letter.record.topic}[{letter.record.partition}]@{letter.record.offset} does not "
            "say which topic it came from; name the target with --to"
        )
    return f"{letter.origin}-retry-{letter.application}"


def replay_headers(letter: Letter, *, to_source: bool) -> list[tuple[str, bytes | None]]:
    """Return the headers a letter is replayed with: its own, and how often it was replayed.

    For a retry topic the step that failed and the first source topic come along.
    """
    headers = [*letter.headers, (REPLAY_ATTEMPT, str(letter.replays + 1).encode())]
    if not to_source:
        headers.append((_STEP, letter.step.encode()))
        if letter.origin is not None:
            headers.append((REPLAY_SOURCE, letter.origin.encode()))
    return headers


def replayed_step(headers: Headers | None) -> str | None:
    """Return the step that a record of a retry topic is meant for."""
    step = None
    for name, value in headers or ():
        if name == _STEP and value is not None:
            step = value.decode("utf-8", "replace")
    return step


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
