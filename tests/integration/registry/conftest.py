from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.registry import Registry
from tests.integration.registry.confluent import Confluent, confluent


@pytest.fixture
def theirs(registry: Registry) -> Iterator[Confluent]:
    """Confluent's own serializers."""
    with confluent(registry) as found:
        yield found
