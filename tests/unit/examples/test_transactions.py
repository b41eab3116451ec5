from __future__ import annotations

from collections import Counter
from itertools import islice

from examples.fraud.audit import Audit
from examples.fraud.transactions import KINDS, LIMIT, transactions


def test_a_seed_gives_the_same_transactions() -> None:
    assert list(islice(transactions(3), 100)) == list(islice(transactions(3), 100))
    assert list(islice(transactions(3), 100)) != list(islice(transactions(4), 100))


def test_about_one_in_ten_is_flagged_and_every_type_occurs() -> None:
    sample = list(islice(transactions(), 5000))
    assert 300 < sum(each["amount"] > LIMIT for each in sample) < 700
    assert set(Counter(each["type"] for each in sample)) == set(KINDS)
    assert len({each["id"] for each in sample}) == len(sample)


def account(*, read: int = 10, found: int = 4, dropped: int = 0) -> Audit:
    return Audit(10, dropped, read, {"flagged-transactions": 4}, {"flagged-transactions": found})


def test_an_account_without_faults_adds_up() -> None:
    assert account().faults(complete=True) == []
    assert account(read=7).faults(complete=False) == []


def test_a_difference_is_named() -> None:
    assert account(found=3).faults(complete=True) == [
        "flagged-transactions has 3 records instead of 4"
    ]
    assert account(read=7).faults(complete=True) == ["only 7 of 10 transactions were read"]
    assert account(dropped=2).faults(complete=True) == [
        "the broker has dropped 2 transactions; nobody can count them"
    ]


def test_the_account_says_what_was_left() -> None:
    assert account(read=7, found=3).lines() == [
        "  transactions                10   7 read by the pipeline, 3 left for the next start",
        "  flagged-transactions         3   but 4 transactions above 1,000, counted again",
    ]
