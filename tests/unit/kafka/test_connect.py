"""Making a client, where nothing needs to be at the other end."""

from __future__ import annotations

import pytest

from sabot.errors import ConfigurationError
from sabot.kafka.connect import client_errors, open_consumer, open_producer


class InterruptedWhileRead:
    """A value during whose conversion a signal arrives: the client converts with `str`."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


def test_an_interrupt_while_the_client_reads_its_properties_is_an_interrupt() -> None:
    properties = {"client.id": InterruptedWhileRead()}
    with pytest.raises(KeyboardInterrupt):
        open_producer(properties, client_errors(properties))


def test_properties_that_do_not_go_together_are_refused() -> None:
    properties = {"bootstrap.servers": "a:1", "linger.ms": "soon"}
    with pytest.raises(ConfigurationError, match="the client for 'a:1' cannot be made"):
        open_producer(properties, client_errors(properties))


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="group_id is empty"):
        open_consumer({"group.id": ""}, client_errors({}))
