"""A client's complaints become errors, or are known to pass."""

from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError

from sabot.errors import BrokerError, ConfigurationError, TopicNotFoundError
from sabot.kafka.client_errors import ClientErrors, translate_error


def test_the_last_reason_is_kept_and_not_its_summary() -> None:
    errors = ClientErrors("a:1")
    assert errors.last == "no answer"
    errors.note(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    errors.note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert errors.last == "connection refused"
    assert errors.recent() == ["connection refused"]


def test_refused_credentials_are_raised_with_the_user() -> None:
    errors = ClientErrors("a:1", user="alice")
    errors.raise_refusal()
    errors.note(KafkaError(KafkaError._AUTHENTICATION, "invalid password"))
    with pytest.raises(ConfigurationError, match="refused the credentials of user 'alice'"):
        errors.raise_refusal()


def test_a_complaint_repeated_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    errors = ClientErrors("a:1")
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            errors.note(KafkaError(KafkaError._TRANSPORT, "connection refused"))
    assert len(caplog.records) == 1
    assert "a:1: connection refused" in caplog.text


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (KafkaError.INVALID_GROUP_ID, ConfigurationError, "choose another group_id"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, BrokerError, "grant READ on the group"),
        (KafkaError.INCONSISTENT_GROUP_PROTOCOL, BrokerError, "partition_assignment_strategy"),
        (KafkaError.UNSUPPORTED_VERSION, ConfigurationError, "group_protocol='classic'"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicNotFoundError, "topic 'orders' is gone"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, BrokerError, "may not be read by this user"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, ConfigurationError, "refused the credentials"),
    ],
)
def test_what_will_not_pass_becomes_an_error(
    code: int, kind: type[Exception], message: str
) -> None:
    error = translate_error(KafkaError(code), bootstrap="a:1", group_id="billing", topic="orders")
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize(
    "code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError.NOT_COORDINATOR]
)
def test_what_will_pass_is_none(code: int) -> None:
    assert translate_error(KafkaError(code), bootstrap="a:1", group_id="g") is None


def test_a_fatal_complaint_is_an_error_whatever_it_is() -> None:
    fatal = KafkaError(KafkaError._STATE, "gone", True)
    assert "gave up: gone" in str(translate_error(fatal, bootstrap="a:1", group_id="g"))
