from __future__ import annotations

from sabot.actors import Backoff, RestartLimit
from sabot.errors import (
    BrokerUnavailableError,
    DeliveryError,
    RestartLimitError,
    TopicNotFoundError,
)
from sabot.runtime.restarts import Restarts
from sabot.runtime.settings import WorkerSettings

SETTINGS = WorkerSettings(
    restart_backoff=Backoff(1.0, 4.0, jitter=0), restart_limit=RestartLimit(2, 60)
)
GONE = BrokerUnavailableError("gone")


def test_what_never_worked_does_not_begin_again() -> None:
    restarts = Restarts(SETTINGS)
    assert not restarts.allow("a", GONE, has_run=False)
    assert restarts.allow("a", GONE, has_run=True)
    restarts.delay("a")
    assert restarts.allow("a", GONE, has_run=False)


def test_only_what_the_broker_may_mend_begins_again() -> None:
    restarts = Restarts(SETTINGS)
    assert restarts.allow("a", DeliveryError("refused"), has_run=True)
    assert not restarts.allow("a", TopicNotFoundError("none"), has_run=True)
    assert not restarts.allow("a", ValueError("a step's"), has_run=True)


def test_waits_grow_and_the_limit_names_the_first_cause_of_each_domain() -> None:
    restarts = Restarts(SETTINGS)
    first = BrokerUnavailableError("the first\nand more")
    allowed = [restarts.allow("a", error, has_run=True) for error in (first, GONE, GONE)]
    assert allowed == [True, True, False]
    assert [restarts.delay("a") for _ in range(4)] == [1, 2, 4, 4]
    cause = restarts.cause("a", "billing", GONE)
    assert isinstance(cause, RestartLimitError)
    assert cause.__cause__ is first
    assert str(cause).endswith("2 times; first cause: BrokerUnavailableError: the first")
    assert restarts.cause("b", "other", GONE) is GONE
