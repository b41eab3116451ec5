"""A dead letter says where it came from and why."""

from __future__ import annotations

from dataclasses import dataclass

from sabot.errors import DecodeError, ProcessingError
from sabot.kafka.dead_letter import dead_letter_headers
from sabot.types import Headers


@dataclass
class Read:
    """A record as a source read it."""

    own: list[tuple[str, bytes | None]] | None = None
    stamp: tuple[int, int] = (1, 1700000000000)

    def value(self) -> bytes | None:
        return b"{"

    def key(self) -> bytes | None:
        return b"k"

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.own

    def topic(self) -> str:
        return "orders"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 42

    def timestamp(self) -> tuple[int, int]:
        return self.stamp


def letter(read: Read, error: BaseException) -> Headers:
    return dead_letter_headers(read, error=error, step="decode", attempt=2, application="billing")


def test_the_headers_tell_the_origin_and_the_reason() -> None:
    assert letter(Read(), DecodeError("no JSON")) == [
        ("sabot-source-topic", b"orders"),
        ("sabot-source-partition", b"3"),
        ("sabot-source-offset", b"42"),
        ("sabot-source-timestamp", b"1700000000000"),
        ("sabot-error-class", b"sabot.errors.DecodeError"),
        ("sabot-error-message", b"no JSON"),
        ("sabot-step", b"decode"),
        ("sabot-attempt", b"2"),
        ("sabot-application", b"billing"),
    ]


def test_the_records_own_headers_stay_first_and_untouched() -> None:
    own = [("a", b"\xff"), ("a", None)]
    assert letter(Read(own=list(own)), DecodeError("x"))[:2] == own


def test_a_record_without_a_timestamp_gets_none() -> None:
    names = [name for name, _ in letter(Read(stamp=(0, -1)), DecodeError("x"))]
    assert "sabot-source-timestamp" not in names


def test_the_class_is_that_of_the_users_exception() -> None:
    error = ProcessingError("step 'map-1' failed", step="map-1")
    error.__cause__ = KeyError("amount")
    assert dict(letter(Read(), error))["sabot-error-class"] == b"builtins.KeyError"


def test_a_long_message_is_cut() -> None:
    text = dict(letter(Read(), DecodeError("x" * 10_000)))["sabot-error-message"]
    assert text is not None
    assert len(text) == 2000
