from __future__ import annotations

from sabot.kafka.companion import companion_topic


def test_long_names_are_cut_to_what_a_topic_may_have_and_stay_apart() -> None:
    one, other = (companion_topic("a" * 249 + tail, "sabot-replayed") for tail in ("", "b"))
    assert len(one) == len(other) == 249
    assert one != other
    assert one.endswith("-sabot-replayed")
