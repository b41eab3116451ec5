"""The list of names agrees with the client that is installed."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaException, Producer

from sabot.kafka.option_names import (
    CONSUMER_NAMES,
    CONSUMER_OWNED,
    PRODUCER_NAMES,
    PRODUCER_OWNED,
    PYTHON_ONLY,
)
from sabot.kafka.property_names import BOTH, CONSUMER_ONLY, PRODUCER_ONLY

ALL = BOTH | CONSUMER_ONLY | PRODUCER_ONLY
IN_PYTHON = {"on_commit", "on_delivery", "default.topic.config"}


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_client_knows_every_property_listed(name: str) -> None:
    with pytest.raises((KafkaException, TypeError, ValueError)) as refused:
        Producer({name: "", "sabot.probe": ""})
    assert f'No such configuration property: "{name}"' not in str(refused.value)


def test_no_property_is_listed_twice() -> None:
    assert len(ALL) == len(BOTH) + len(CONSUMER_ONLY) + len(PRODUCER_ONLY)


def test_every_option_name_leads_to_a_listed_property() -> None:
    assert {*CONSUMER_NAMES.values(), *PRODUCER_NAMES.values()} <= ALL


def test_every_property_sabot_owns_exists() -> None:
    assert {*CONSUMER_OWNED, *PRODUCER_OWNED} <= ALL | PYTHON_ONLY | IN_PYTHON
