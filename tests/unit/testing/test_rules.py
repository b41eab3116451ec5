from __future__ import annotations

import pytest

from sabot.errors import ConfigurationError
from sabot.testing import Rule, delay, drop, hold
from sabot.testing.requests import RequestHeader
from sabot.testing.rules import RequestLog


def request(api: str = "Produce", client: str | None = "me") -> RequestHeader:
    return RequestHeader(api, 9, 1, client)


def test_a_rule_acts_on_the_nth_request_of_its_type_once() -> None:
    rule = Rule("Produce", drop(), nth=2)
    assert [rule.offer(request()) for _ in range(4)] == [None, drop(), None, None]
    assert rule.offer(request("Fetch")) is None
    assert rule.fired == 1


def test_a_rule_without_times_acts_for_good() -> None:
    rule = Rule("Produce", hold(2.0), nth=2, times=None)
    assert [rule.offer(request()) for _ in range(3)] == [None, hold(2.0), hold(2.0)]


def test_a_rule_for_a_client_counts_that_clients_requests_alone() -> None:
    rule = Rule("Produce", drop(), nth=2, client="me")
    offered = [request(client="you"), request(), request(client=None), request(client="or-me-2")]
    assert [rule.offer(each) for each in offered] == [None, None, None, drop()]


def test_the_first_rule_that_wants_a_request_has_its_way_and_all_of_them_count() -> None:
    log = RequestLog()
    first, second = Rule("Produce", drop()), Rule("Produce", hold(), nth=2)
    log.add(first)
    log.add(second)
    assert [log.note(request()) for _ in range(3)] == [drop(), hold(), None]
    log.clear()
    assert log.note(request()) is None
    assert log.counts == {"Produce": 4}


def test_waiting_in_vain_says_what_was_seen() -> None:
    log = RequestLog()
    log.note(request("Fetch"))
    with pytest.raises(AssertionError, match=r"0 Produce requests of 1 .*seen: {'Fetch': 1}"):
        log.wait("Produce", 1, timeout=0)
    with pytest.raises(AssertionError, match="EndTxn was acted on 0 times of 1"):
        Rule("EndTxn", drop()).wait(timeout=0)


def test_what_makes_no_sense_is_refused_with_what_does() -> None:
    with pytest.raises(ConfigurationError, match="no Kafka request 'EndTx'; did you mean 'EndTxn'"):
        Rule("EndTx", drop())
    with pytest.raises(ConfigurationError, match="begin at 1"):
        Rule("EndTxn", drop(), nth=0)
    with pytest.raises(ConfigurationError, match="delay takes 0 seconds or more, not -1"):
        delay(-1)
