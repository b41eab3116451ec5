from __future__ import annotations

from collections.abc import Iterator

import pytest

from sabot.kafka.changelog import changelog_topic, ensure_changelog
from sabot.kafka.embedded import resolve_bootstrap, stop_embedded
from sabot.kafka.restore import Restored, Restorer
from sabot.state import MemoryStore


@pytest.fixture
def embedded() -> Iterator[str]:
    yield resolve_bootstrap("embedded://")
    stop_embedded()


def test_a_name_has_only_what_a_topic_may_be_called() -> None:
    assert changelog_topic("my app/2", "totals") == "my_app_2-totals-changelog"


@pytest.mark.slow
def test_the_embedded_broker_has_changelogs_that_can_be_restored(embedded: str) -> None:
    properties = {"bootstrap.servers": embedded}
    made = ensure_changelog("app-seen-changelog", "orders", properties)
    assert (made.topic, made.partitions) == ("app-seen-changelog", 4)
    restorer = Restorer(properties)
    assert restorer.end_of(made.topic, 2) == 0
    restored = restorer.restore(MemoryStore(), made.topic, 2, 0, deletions_last=5)
    assert restored.result(10) == Restored(0, 0)
    restorer.close()
