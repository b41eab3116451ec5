from __future__ import annotations

import json

import pytest

from sabot.errors import CommitError, ConfigurationError
from sabot.runtime.metadata import METADATA_BYTES, metadata_of, start_of
from sabot.runtime.progress import Start

MANY = {f"to_kafka:topic-{number}": number for number in range(1000)}


def test_metadata_that_a_broker_would_refuse_leaves_the_branches_out() -> None:
    assert json.loads(metadata_of(3, MANY)) == {"v": 1, "cut": 3}


def test_where_state_ends_stays_when_the_branches_are_left_out() -> None:
    noted = json.loads(metadata_of(3, MANY, {"totals": 40}))
    assert noted == {"v": 1, "cut": 3, "state": {"totals": 40}}


def test_branches_that_must_not_be_left_out_postpone_the_commit() -> None:
    with pytest.raises(CommitError, match="1000 branches are ahead"):
        metadata_of(3, MANY, exact=True)


def test_state_that_does_not_fit_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"1000 changelog topics.*shorter"):
        metadata_of(3, {}, MANY)


def test_names_in_any_script_are_counted_as_the_bytes_they_take() -> None:
    names = {"é" * 30 + str(number): number for number in range(200)}
    assert len(metadata_of(1, names).encode()) <= METADATA_BYTES


@pytest.mark.parametrize(
    ("metadata", "start"),
    [
        ("", Start(5, 2)),
        ("not json", Start(5, 2)),
        ("[1]", Start(5, 2)),
        ('{"v":2,"ahead":{"a":1},"state":{"t":1}}', Start(5, 2)),
        ('{"v":1,"ahead":[1],"state":7,"cut":"x"}', Start(5, 2)),
        ('{"v":1,"ahead":{"a":1,"b":"x"}}', Start(5, 2, {"a": 1})),
        (metadata_of(1, {"a": 4}), Start(5, 2, {"a": 4}, cut=1)),
        (metadata_of(9, {}, {"t": 7}), Start(5, 2, state={"t": 7}, cut=9)),
    ],
)
def test_metadata_of_others_is_no_trouble(metadata: str, start: Start) -> None:
    assert start_of(5, 2, metadata) == start
