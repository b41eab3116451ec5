"""A broker for the blocks of pages, whose topics and groups have names like anybody's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker import Kafka
from tests.conftest import own_broker


@pytest.fixture(scope="session")
def pages_kafka() -> Iterator[Kafka]:
    """A broker that only the pages use: their topics are deleted between blocks.

    ``SABOT_TEST_KAFKA`` is not looked at, since a broker somebody else uses may well have
    a topic ``transactions``.
    """
    with own_broker() as broker:
        yield broker


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs that broker."""
    for item in items:
        if "pages_kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")
            item.add_marker("slow")
