from __future__ import annotations

import dataclasses

import pytest

from sabot.errors import ConfigurationError
from sabot.kafka.dead_letter import dead_letter_headers
from sabot.kafka.dead_letters import (
    Letter,
    letter_of,
    replay_headers,
    replayed_step,
    retry_topic_of,
    tally,
)
from sabot.kafka.replay import ReplayRoute
from sabot.types import Headers, Record, TopicPartition
from tests.records import ReadRecord

PLACE = TopicPartition("orders", 3)


def fallen(
    *,
    headers: tuple[tuple[str, bytes | None], ...] = (),
    place: TopicPartition = PLACE,
    step: str = "map-1",
    error: Exception | None = None,
    written: int | None = 5_000,
) -> Letter:
    """Return the letter that a record with these headers becomes."""
    record = ReadRecord(b'{"id": 1}', place, 17, b"k", 1_000, headers)
    added = dead_letter_headers(
        record, error=error or KeyError("id"), step=step, attempt=2, application="billing"
    )
    return letter_of(Record(record.value(), record.key(), added, "dlq", 0, 7, written))


def test_a_letter_says_what_its_headers_say() -> None:
    own = (("trace", b"1"), ("trace", None))
    letter = fallen(headers=own)
    assert letter.headers == list(own)
    assert (letter.error, letter.error_class) == ("KeyError", "builtins.KeyError")
    assert letter.error_message == "'id'"
    assert (letter.step, letter.attempt, letter.application) == ("map-1", 2, "billing")
    assert (letter.source, letter.offset, letter.timestamp) == (PLACE, 17, 1_000)
    assert letter.where == "orders[3]@17"
    assert (letter.replays, letter.origin, letter.truncated) == (0, "orders", None)


def test_a_record_that_is_no_dead_letter_is_one_that_says_nothing() -> None:
    headers: Headers = [("sabot-attempt", b"many"), ("sabot-step", None), ("x", b"\xff")]
    letter = letter_of(Record(None, None, headers, "dlq", 0, 7, None))
    assert letter.where == "unknown"
    assert (letter.error, letter.attempt, letter.origin) == ("unknown", 0, None)
    with pytest.raises(ConfigurationError, match=r"dlq\[0\]@7 does not say .* --to"):
        retry_topic_of(letter)


def test_letters_are_counted_by_error_step_and_topic_the_most_frequent_first() -> None:
    one, other = fallen(written=9), fallen(step="map-2", written=None)
    found = tally([other, one, fallen(written=5)])
    assert list(found) == [("KeyError", "map-1", "orders"), ("KeyError", "map-2", "orders")]
    first, second = found.values()
    assert (first.count, first.first, first.last) == (2, 5, 9)
    assert (second.count, second.first, second.last) == (1, None, None)


def test_a_record_goes_back_with_its_own_headers_and_a_count() -> None:
    letter = fallen(headers=(("trace", b"1"),))
    assert replay_headers(letter, to_source=True) == [
        ("trace", b"1"),
        ("sabot-replay-attempt", b"1"),
    ]
    assert replay_headers(letter, to_source=False) == [
        ("trace", b"1"),
        ("sabot-replay-attempt", b"1"),
        ("sabot-step", b"map-1"),
        ("sabot-replay-source", b"orders"),
    ]


def test_one_that_fails_again_in_the_retry_topic_still_knows_where_it_came_from() -> None:
    first = replay_headers(fallen(headers=(("trace", b"1"),)), to_source=False)
    again = fallen(
        headers=tuple(first), place=TopicPartition("orders-retry-billing", 0), step="map-2"
    )
    assert again.replays == 1
    assert (again.origin, again.where) == ("orders", "orders-retry-billing[0]@17")
    assert again.headers == [("trace", b"1")]
    assert retry_topic_of(again) == "orders-retry-billing"
    assert replayed_step(replay_headers(again, to_source=False)) == "map-2"
    assert ReplayRoute(to_source=True).target(again) == "orders"


def test_a_record_without_headers_is_meant_for_no_step() -> None:
    assert replayed_step(None) is None
    assert replayed_step([("sabot-step", None)]) is None


def test_a_route_names_one_target() -> None:
    letter = fallen()
    assert ReplayRoute().target(letter) == "orders-retry-billing"
    assert ReplayRoute(to="other").target(letter) == "other"
    assert ReplayRoute(to_source=True).target(letter) == "orders"
    with pytest.raises(ConfigurationError, match="two targets"):
        ReplayRoute(to="other", to_source=True)
    with pytest.raises(ConfigurationError, match="dead-letter topic itself"):
        ReplayRoute(to="dlq").target(letter)
    with pytest.raises(ConfigurationError, match="at least 1"):
        ReplayRoute(max_attempts=0)


def test_what_went_round_too_often_or_was_cut_off_stays() -> None:
    letter = fallen()
    assert ReplayRoute().refusal(letter) is None
    assert ReplayRoute(max_attempts=2).refusal(dataclasses.replace(letter, replays=1)) is None
    again = ReplayRoute(max_attempts=2).refusal(dataclasses.replace(letter, replays=2))
    assert again == "replayed 2 times already"
    cut = ReplayRoute().refusal(dataclasses.replace(letter, truncated=100))
    assert cut == "its value was cut off"
