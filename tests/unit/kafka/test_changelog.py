from __future__ import annotations

from sabot.kafka.changelog import changelog_topic


def test_a_name_has_only_what_a_topic_may_be_called() -> None:
    assert changelog_topic("my app/2", "totals") == "my_app_2-totals-changelog"
