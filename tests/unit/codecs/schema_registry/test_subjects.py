from __future__ import annotations

import pytest

from sabot.codecs.schema_registry import SubjectNameStrategy, subject_name
from sabot.errors import ConfigurationError


@pytest.mark.parametrize(
    ("strategy", "for_key", "subject"),
    [
        ("topic", False, "orders-value"),
        ("topic", True, "orders-key"),
        ("record", False, "shop.Order"),
        ("topic_record", False, "orders-shop.Order"),
        ("topic_record", True, "orders-shop.Order"),
    ],
)
def test_a_subject_is_named_by_the_strategy(
    strategy: SubjectNameStrategy, for_key: bool, subject: str
) -> None:
    assert subject_name(strategy, topic="orders", record="shop.Order", for_key=for_key) == subject


@pytest.mark.parametrize(
    ("strategy", "known"),
    [
        ("topic", {"record": "R"}),
        ("topic_record", {"record": "R"}),
        ("record", {"topic": "t"}),
        ("topic_record", {"topic": "t"}),
    ],
)
def test_a_strategy_without_the_names_it_needs_says_so(
    strategy: SubjectNameStrategy, known: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="needs"):
        subject_name(strategy, **known)
